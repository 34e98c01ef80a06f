// deepstream by its official client.
import { createRequire } from 'node:module';
import { Denials, PASSWORD, user } from './checks.mjs';

const SETTLE_MS = 200;
const settle = () => new Promise((wake) => setTimeout(wake, SETTLE_MS));

export function driver({ modules, url }, plan) {
  const { DeepstreamClient } = createRequire(modules)('@deepstream/client');
  const payload = 'x'.repeat(plan.payload);

  /** Log in; errors go to `onError`, which ends this process unless it is given. */
  async function login(username, password, onError = fail) {
    const connection = new DeepstreamClient(url, {
      heartbeatInterval: 30_000,
      maxReconnectAttempts: 0,
      subscriptionInterval: 0,
    });
    connection.on('error', onError);
    await connection.login({ username, password });
    return {
      connection,
      async close() {
        connection.on('error', () => {});
        connection.close();
      },
      async provideEcho(name) {
        connection.rpc.provide(name, (data, response) => response.send(data));
        await settle();
      },
      call: (name) => connection.rpc.make(name, payload),
      async subscribe(name, onEvent) {
        connection.event.subscribe(name, onEvent);
        await new Promise((wake) => setImmediate(wake));
      },
      publish(name) {
        connection.event.emit(name, payload);
      },
    };
  }

  return {
    name: (path) => path,
    connect: (number) => login(user(number, plan.users), PASSWORD),
    async denials() {
      const seen = new Denials();
      const problems = [];
      const got = [];
      const note = (_message, event) => problems.push(event);
      await seen.rejects('password', /INVALID|auth/i, () => login('u0', 'wrong', note));
      problems.length = 0;
      const writer = await login('u0', PASSWORD, note);
      const reader = await login('u1', PASSWORD, note);
      await reader.subscribe('readonly/x', () => got.push('denied'));
      await reader.subscribe('ev/x', () => got.push('allowed'));
      await settle();
      writer.publish('readonly/x');
      writer.publish('ev/x');
      await settle();
      const told = () => problems.splice(0).includes('MESSAGE_DENIED');
      seen.expect('publish', told() && got.join() === 'allowed');
      await reader.subscribe('closed/x', () => {});
      await settle();
      seen.expect('subscribe', told());
      await seen.rejects('call', /MESSAGE_DENIED/, () => writer.call('closed/rpc'));
      await writer.close();
      await reader.close();
      return seen.seen;
    },
  };
}

function fail(message, event, topic) {
  console.error('deepstream', message, event, topic);
  process.exit(4);
}
