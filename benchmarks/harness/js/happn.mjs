// happn-3 by its own client. It has no calls between clients: no RPC scenarios.
import { createRequire } from 'node:module';
import { Denials, PASSWORD, user } from './checks.mjs';

const PATIENCE_MS = 120_000;
const SETTLE_MS = 200;
const settle = () => new Promise((wake) => setTimeout(wake, SETTLE_MS));

export function driver({ modules, port }, plan) {
  const happn = createRequire(modules)('happn-3');
  const data = { payload: 'x'.repeat(plan.payload) };

  async function login(username, password) {
    const connection = await happn.client.create({
      host: '127.0.0.1',
      port,
      username,
      password,
      callTimeout: PATIENCE_MS,
      loginTimeout: PATIENCE_MS,
      connectTimeout: PATIENCE_MS,
      loginRetry: 0,
    });
    const set = (name) => connection.set(name, data, { noStore: true });
    return {
      set,
      close: () => connection.disconnect({ reconnect: false }),
      subscribe: (name, onEvent) => connection.on(name, { event_type: 'set' }, onEvent),
      publish(name) {
        set(name).catch(fail);
      },
    };
  }

  return {
    name: (path) => `/${path}`,
    connect: (number) => login(user(number, plan.users), PASSWORD),
    async denials() {
      const seen = new Denials();
      const got = [];
      const refused = /AccessDenied|unauthorized|Invalid credentials/i;
      await seen.rejects('password', refused, () => login('u0', 'wrong'));
      const writer = await login('u0', PASSWORD);
      const reader = await login('u1', PASSWORD);
      await reader.subscribe('/readonly/x', () => got.push('denied'));
      await reader.subscribe('/ev/x', () => got.push('allowed'));
      await seen.rejects('publish', refused, () => writer.set('/readonly/x'));
      await writer.set('/ev/x');
      await settle();
      seen.expect('delivery', got.join() === 'allowed');
      await seen.rejects('subscribe', refused, () => reader.subscribe('/closed/x', () => {}));
      await writer.close();
      await reader.close();
      return seen.seen;
    },
  };
}

function fail(error) {
  console.error('happn', error);
  process.exit(4);
}
