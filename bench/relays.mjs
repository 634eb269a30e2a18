// The relays of far hosts, in a process of their own: gets [{host, port, delay}], answers with the ports.
import { connect, createServer } from 'node:net';

process.once('message', async targets => {
  const ports = await Promise.all(targets.map(startRelay));
  process.send?.(ports);
});

/** Delays every chunk in both directions. `delay`: milliseconds. */
function startRelay({ host, port, delay }) {
  const server = createServer({ noDelay: true }, near => {
    const far = connect({ host, port, noDelay: true });
    pass(near, far, delay);
    pass(far, near, delay);
  });
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

function pass(from, to, delay) {
  from.on('data', chunk => setTimeout(() => to.writable && to.write(chunk), delay));
  from.on('error', () => undefined);
  from.once('close', () => setTimeout(() => to.destroy(), delay));
}
