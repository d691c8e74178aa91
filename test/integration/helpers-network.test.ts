import { execFile } from 'node:child_process';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';

const HELPERS = resolve(import.meta.dirname, '../../target-scripts/helpers');

interface Ended {
  readonly code: number;
  readonly said: Readonly<Record<string, unknown>>;
}

const run = async (helper: string, ...args: readonly string[]): Promise<Ended> =>
  await new Promise((done) => {
    execFile(join(HELPERS, helper), args, { env: {} }, (error, stdout) => {
      const code = typeof error?.code === 'number' ? error.code : 0;
      done({ code, said: stdout === '' ? {} : (JSON.parse(stdout) as Ended['said']) });
    });
  });

let close: (() => void) | undefined;
afterEach(() => close?.());

/** A server on the loopback that does with each connection what the test says; its port. */
const serving = async (each: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    each(socket);
  });
  close = () => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
    close = undefined;
  };
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return (server.address() as AddressInfo).port;
};

test.each([
  ['probe-endpoint', []],
  ['probe-endpoint', ['udp', '127.0.0.1:1']],
  ['probe-endpoint', ['tcp', '127.0.0.1:1', 'more']],
  ['certificates', ['file']],
  ['certificates', ['endpoint', '127.0.0.1:1']],
  ['certificates', ['endpoint', '127.0.0.1:1', 'xmpp']],
  ['dns-probe', []],
  ['dns-probe', ['--version']],
  ['socket-counts', []],
  ['socket-counts', ['states', 'peers']],
  ['package-state', ['remove', '6261736f']],
  ['package-state', ['version']],
  ['packages-changed', ['7w']],
  ['packages-changed', ['-7d']],
])('%s %j is refused', async (helper, args) => {
  expect((await run(helper, ...args)).code).toBe(64);
});

describe('an endpoint', () => {
  test.each([
    'host',
    'host:0',
    'host:65536',
    'host:080',
    '-host:1',
    'me@host:1',
    'http://me:secret@host/',
    'ftp://host/',
    'http://host/a b',
    'http://host/\r\nX: y',
    'host:1\n',
    '[::1:1',
  ])('%j is none', async (endpoint) => {
    expect((await run('probe-endpoint', 'tcp', endpoint)).said).toEqual({ outcome: 'not_an_endpoint' });
    const certificate = await run('certificates', 'endpoint', endpoint, 'tls');
    expect(certificate.said['outcome']).toBe('not_an_endpoint');
  });

  test('port 65535 is one, a URL has its own, and only a URL has a path', async () => {
    expect((await run('probe-endpoint', 'tcp', '127.0.0.1:1/path')).said['outcome']).toBe('not_an_endpoint');
    expect((await run('probe-endpoint', 'tcp', '127.0.0.1:65535')).said).toMatchObject({ port: 65_535 });
    expect((await run('probe-endpoint', 'tcp', 'https://127.0.0.1/x')).said).toMatchObject({ port: 443 });
  });
});

describe('http', () => {
  const probe = async (port: number): Promise<Ended['said']> =>
    (await run('probe-endpoint', 'http', `http://127.0.0.1:${String(port)}/a?b`)).said;

  test('asks once, follows nothing, and says what it got', async () => {
    const asked: string[] = [];
    const port = await serving((socket) =>
      socket.on('data', (data) => {
        asked.push(data.toString());
        socket.end('HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\nbody');
      }),
    );
    expect(await probe(port)).toMatchObject({ outcome: 'answered', status: 302 });
    expect(asked).toEqual([
      `GET /a?b HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: mcp-pra\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
    ]);
  });

  test.each([
    ['something else', 'SSH-2.0-x\r\n', 'no_http'],
    ['a status that is none', 'HTTP/1.1 999 x\r\n', 'no_http'],
    ['a line without end', 'x'.repeat(100_000), 'no_http'],
    ['nothing', '', 'no_answer'],
  ])('%s', async (_, answer, outcome) => {
    const port = await serving((socket) => socket.on('data', () => socket.end(answer)));
    const said = await probe(port);
    expect(said['outcome']).toBe(outcome);
    expect(said).not.toHaveProperty('status');
  });

  test('a server that never answers is given up', async () => {
    const port = await serving(() => undefined);
    expect((await probe(port))['outcome']).toBe('no_answer');
  });
});

test('a server that is no TLS server is no TLS', async () => {
  const port = await serving((socket) => socket.on('data', () => socket.end('no\r\n')));
  const { said } = await run('certificates', 'endpoint', `127.0.0.1:${String(port)}`, 'tls');
  expect(said).toMatchObject({ outcome: 'no_tls', port });
});

test('a certificate file is an absolute path of a regular file', async () => {
  for (const [path, outcome] of [
    ['relative.pem', 'not_a_path'],
    ['/dev/null', 'not_a_file'],
    ['/nonexistent/a.pem', 'missing'],
    ['/etc/passwd', 'no_certificate'],
  ] as const) {
    expect((await run('certificates', 'file', path)).said['outcome']).toBe(outcome);
  }
});
