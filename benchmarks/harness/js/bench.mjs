// The JavaScript driver: the scenarios of scenarios.py, for clients in JavaScript.
//
//   node bench.mjs CLIENT OPTIONS PLAN SCENARIO...
//
// OPTIONS and PLAN are JSON. CLIENT is a module here that exports
// `driver(options, plan)`, an object with name(path), connect(number), denials();
// its clients have close(), provideEcho(name), call(name), subscribe(name, onEvent)
// and publish(name), as clients/base.py says.
import { performance } from 'node:perf_hooks';
import { Flight } from './flight.mjs';
import { measure, say } from './control.mjs';

const LIMIT_SECONDS = 3_600;
const FIRST_CHUNK = 50;
const WARM_LOGINS = 20;
const LOGINS_AT_ONCE = 20;

const [module, options, planText, ...scenarios] = process.argv.slice(2);
const plan = JSON.parse(planText);
const { driver: make } = await import(`./${module}.mjs`);
const driver = make(JSON.parse(options), plan);

const sleep = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1e3));
const range = (count, first = 0) => Array.from({ length: count }, (_, i) => first + i);

async function connectMany(count, first = 0) {
  const clients = [];
  for (let start = 0; start < count; start += LOGINS_AT_ONCE) {
    const batch = range(Math.min(LOGINS_AT_ONCE, count - start), first + start);
    clients.push(...await Promise.all(batch.map((number) => driver.connect(number))));
  }
  return clients;
}

async function close(clients) {
  for (const client of clients.splice(0)) await client.close();
  await sleep(0.2);
}

/** Warm up; how many units a measure of the planned length has. */
async function sized(run, { chunk, step = 1, after = async () => {} }) {
  const until = performance.now() + plan.warm_seconds * 1e3;
  let count = chunk;
  for (;;) {
    const start = performance.now();
    await run(count);
    const took = (performance.now() - start) / 1e3;
    await after();
    const planned = Math.max(chunk, Math.floor((count / took) * plan.seconds));
    if (performance.now() >= until) return planned - (planned % step);
    count = Math.min(count * 2, Math.max(chunk, Math.floor(planned / 4)));
    count -= count % step;
  }
}

async function timed(latencies, work) {
  const start = performance.now();
  const result = await work();
  latencies.push(performance.now() - start);
  return result;
}

async function loginSeq() {
  const clients = [];
  const run = async (count) => {
    const latencies = [];
    for (const number of range(count)) {
      clients.push(await timed(latencies, () => driver.connect(number)));
    }
    return latencies;
  };
  const after = () => close(clients);
  const count = await sized(run, { chunk: WARM_LOGINS, after });
  await measure('login_seq', count, () => run(count), after);
}

async function loginConc() {
  const clients = [];
  const run = async () => {
    const latencies = [];
    const logins = range(plan.logins).map(
      (number) => timed(latencies, () => driver.connect(number)),
    );
    clients.push(...await Promise.all(logins));
    return latencies;
  };
  await run();
  await close(clients);
  await measure('login_conc', plan.logins, run, () => close(clients));
}

async function roundTrips(scenario, callers) {
  const name = driver.name('rpc/echo');
  const provider = await driver.connect(0);
  await provider.provideEcho(name);
  const clients = await connectMany(callers, 1);
  const run = async (count) => {
    const latencies = [];
    await Promise.all(clients.map(async (client) => {
      for (let left = count / callers; left > 0; left--) {
        await timed(latencies, () => client.call(name));
      }
    }));
    return latencies;
  };
  const count = await sized(run, { chunk: FIRST_CHUNK * callers, step: callers });
  await measure(scenario, count, () => run(count));
  await close([provider, ...clients]);
}

async function flights(scenario, path, receivers, window) {
  const name = driver.name(path);
  const publisher = await driver.connect(0);
  const clients = await connectMany(receivers, 1);
  const flight = new Flight(receivers);
  for (const [number, client] of clients.entries()) {
    await client.subscribe(name, flight.receiver(number));
  }
  const run = (count) => flight.fly(() => publisher.publish(name), count, window);
  const count = await sized(run, { chunk: FIRST_CHUNK });
  await measure(scenario, count * receivers, () => run(count));
  await close([publisher, ...clients]);
}

async function idle() {
  const clients = [];
  await close(await connectMany(WARM_LOGINS));
  await measure('idle', plan.idle, async () => {
    clients.push(...await connectMany(plan.idle));
    await sleep(plan.idle_settle_seconds);
    return [];
  });
  await close(clients);
}

const runs = {
  login_seq: loginSeq,
  login_conc: loginConc,
  rpc_1: () => roundTrips('rpc_1', 1),
  rpc_50: () => roundTrips('rpc_50', plan.callers),
  publish: () => flights('publish', 'ev/one', 1, plan.window),
  fan_16: () => flights('fan_16', 'ev/fan', plan.subscribers, plan.fan_window),
  fan_1: () => flights('fan_1', 'ev/fan', plan.subscribers, 1),
  idle,
};

setTimeout(() => {
  console.error('the time limit is over');
  process.exit(3);
}, LIMIT_SECONDS * 1e3).unref();
say({ checked: await driver.denials() });
for (const scenario of scenarios) await runs[scenario]();
process.exit(0);
