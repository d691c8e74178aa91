import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

const SCRIPT = resolve(import.meta.dirname, 'datagram-socket.py');

/** A datagram socket at a path (Node has none): read by the test, or full and never read. */
export class DatagramSocket {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#reader = createInterface(child.stdout);
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async open(path: string, manner: 'read' | 'full'): Promise<DatagramSocket> {
    const socket = new DatagramSocket(spawn('python3', [SCRIPT, path, manner]));
    if ((await socket.next()) !== 'ready') throw new Error('no socket');
    return socket;
  }

  /** The next datagram. */
  async next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the socket is closed');
    return value;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await once(this.#child, 'exit');
    this.#reader.close();
  }
}
