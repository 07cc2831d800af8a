// A real server that knows RSA with SHA-1 only and sends no server-sig-algs: the package ssh2 at version 0.8.9, under the name of an old Dropbear.
// node old-server.js PORT HOSTKEY AUTHORIZED_KEY.pub      on 127.0.0.1 alone
const { Server, utils } = require('ssh2');
const fs = require('fs');
const [port, hostKey, authorized] = process.argv.slice(2);
const key = utils.parseKey(fs.readFileSync(authorized, 'utf8').trim());
new Server({ hostKeys: [fs.readFileSync(hostKey)], ident: 'dropbear_2018.76' }, client => {
  client.on('error', () => {});
  client.on('authentication', ask => {
    const known = ask.method === 'publickey' && ask.key.algo === key.type && ask.key.data.equals(key.getPublicSSH());
    return known && (!ask.signature || key.verify(ask.blob, ask.signature) === true) ? ask.accept() : ask.reject(['publickey']);
  });
  client.on('ready', () => client.on('session', accept => accept().on('exec', accepted => {
    const stream = accepted();
    stream.exit(0);
    stream.end();
  })));
}).listen(Number(port), '127.0.0.1');
