// A network that can be cut: a TCP relay between the browser and the server.

import net from 'node:net';

export class CuttableNetwork {
  #server = net.createServer();
  #sockets = new Set<net.Socket>();
  #port = 0;

  private constructor(private readonly target: URL) {}

  static async to(address: string): Promise<CuttableNetwork> {
    const network = new CuttableNetwork(new URL(address));
    await network.mend();
    return network;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Breaks every connection and takes no new one. */
  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Takes connections again, at the same address. */
  async mend(): Promise<void> {
    this.#server = net.createServer((near) => {
      const far = net.connect(Number(this.target.port), this.target.hostname);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', () => resolve());
    });
    this.#port = (this.#server.address() as net.AddressInfo).port;
  }
}
