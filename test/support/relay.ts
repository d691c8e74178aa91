import {
  createServer,
  connect,
  type AddressInfo,
  type Server,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net';

/** A TCP relay on 127.0.0.1 that stands for the network: it can go away and come back on the same port. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Every connection ends, and new ones are refused. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** `target`: a port of 127.0.0.1, or any address. */
export const startRelay = async (target: number | TcpNetConnectOpts): Promise<Relay> => {
  const there = typeof target === 'number' ? { host: '127.0.0.1', port: target } : target;
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const listen = async (port: number): Promise<number> => {
    const opened = createServer((near) => {
      const far = connect(there);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    await new Promise<void>((resolve, reject) => {
      opened.once('error', reject);
      opened.listen(port, '127.0.0.1', resolve);
    });
    server = opened;
    return (opened.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const cut = async (): Promise<void> => {
    const closed = new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)));
    server = undefined;
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    port,
    cut,
    restore: async () => {
      await listen(port);
    },
    [Symbol.asyncDispose]: cut,
  };
};
