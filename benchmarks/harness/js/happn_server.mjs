// A happn-3 server with users, a group and permissions.
//
//   node happn_server.mjs MODULES PORT USERS
import { createRequire } from 'node:module';

const [modules, port, users] = process.argv.slice(2);
const happn = createRequire(modules)('happn-3');

const service = await happn.service.create({
  host: '127.0.0.1',
  port: Number(port),
  secure: true,
  utils: { logLevel: 'error', log_level: 'error' },
  services: {
    security: {
      config: { adminUser: { password: 'happn' }, sessionTokenSecret: 'benchmark' },
    },
  },
});
const security = service.services.security;
const group = await security.groups.upsertGroup({
  name: 'member',
  permissions: {
    '/ev/*': { actions: ['on', 'set'] },
    '/readonly/*': { actions: ['on'] },
  },
}, { overwrite: true });
for (let number = 0; number < Number(users); number++) {
  const member = await security.users.upsertUser(
    { username: `u${number}`, password: 'password' },
    { overwrite: true },
  );
  await security.groups.linkGroup(group, member);
}
console.log('READY');
