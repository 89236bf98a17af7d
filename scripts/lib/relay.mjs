// Passes TCP connections on from a free port of 127.0.0.1, and prints where that is. Browsers of the
// tests call a cluster's node by it: by a loopback name, and whichever pods come and go behind the node.
//
//   node relay.mjs HOST PORT

import net from 'node:net';

const [host, port] = process.argv.slice(2);
const server = net.createServer({ allowHalfOpen: true }, (near) => {
  const far = net.connect({ host, port: Number(port), allowHalfOpen: true });
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.on('close', () => far.destroy());
  far.on('close', () => near.destroy());
  near.pipe(far);
  far.pipe(near);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
