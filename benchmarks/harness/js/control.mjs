// The JavaScript driver's side of conductor.py: what it prints, what it waits for.
import { createInterface } from 'node:readline';
import { performance } from 'node:perf_hooks';

const words = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function hear() {
  const { value, done } = await words.next();
  if (done) throw new Error('the conductor has gone');
  return value.trim();
}

export function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** A percentile of milliseconds, in microseconds; null of nothing. */
function percentile(sorted, share) {
  if (sorted.length === 0) return null;
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return Number((sorted[at] * 1e3).toFixed(1));
}

/**
 * Measure `run`, which resolves to the latencies it saw in milliseconds, as often as
 * asked; `after` tidies up outside the measured time, after each repeat.
 */
export async function measure(scenario, units, run, after = async () => {}) {
  for (;;) {
    say({ begin: scenario, units });
    await hear();
    const cpu = process.cpuUsage();
    const start = performance.now();
    const latencies = await run();
    const wall = (performance.now() - start) / 1e3;
    const { user, system } = process.cpuUsage(cpu);
    const sorted = Float64Array.from(latencies).sort();
    say({
      end: scenario,
      wall_s: wall,
      client_cpu_s: (user + system) / 1e6,
      p50_us: percentile(sorted, 0.5),
      p99_us: percentile(sorted, 0.99),
    });
    const word = await hear();
    await after();
    if (word === 'next') return;
  }
}
