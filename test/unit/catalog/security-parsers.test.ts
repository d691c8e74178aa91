import { describe, expect, test } from 'vitest';
import { listeningExposure } from '../../../src/catalog/parsers/security/listening-exposure.ts';
import { loginUsers } from '../../../src/catalog/parsers/security/login-users.ts';

describe('listening_exposure: how far an address reaches', () => {
  const reachOf = (...addresses: readonly string[]): unknown => {
    const lines = addresses.map((address) => `tcp LISTEN 0 128 ${address}:5432 *:*\n`).join('');
    const { listeners } = listeningExposure(new Map([['sockets', lines]]), new Map([['sockets', 0]]));
    return (listeners as readonly { readonly reach: string }[]).map(({ reach }) => reach);
  };

  test.each([
    ['0.0.0.0', 'all'],
    ['*', 'all'],
    ['[::]', 'all'],
    ['0.0.0.0%lo', 'loopback'],
    ['0.0.0.0%eth0', 'all'],
    ['127.0.0.1', 'loopback'],
    ['127.0.0.53%lo', 'loopback'],
    ['[::1]', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['[::ffff:192.0.2.7]', 'address'],
    ['192.0.2.7', 'address'],
    ['[fe80::1%eth0]', 'address'],
  ])('%s: %s', (address, reach) => {
    expect(reachOf(address)).toEqual([reach]);
  });

  test('one port on loopback and on an address is exposed', () => {
    expect(reachOf('127.0.0.1', '192.0.2.7')).toEqual(['address']);
  });

  test('when ss fails, nothing is known', () => {
    expect(listeningExposure(new Map([['sockets', '']]), new Map([['sockets', 255]]))).toEqual({});
  });
});

describe('login_users', () => {
  const read = (accounts: string): Readonly<Record<string, unknown>> =>
    loginUsers(
      new Map([
        ['accounts', accounts],
        ['listed', '/bin/sh\n'],
      ]),
      new Map(),
    );

  test('no shell at all is /bin/sh; those that end at once are none', () => {
    const accounts = 'a:5:5:/:\nb:6:6:/:/usr/sbin/nologin\nc:7:7:/:/bin/false\nd:8:8:/:/bin/zsh\n';
    expect(read(accounts)).toMatchObject({
      accounts: 4,
      with_shell: 2,
      uid_0_accounts: 'none',
      users: [
        { user: 'a', shell: '/bin/sh', listed: true },
        { user: 'd', listed: false },
      ],
    });
  });

  test('root first, then people, then others; a line of another form is none', () => {
    const { users } = read(
      'svc:10:10:/:/bin/sh\nann:1000:1000:/:/bin/sh\nroot:0:0:/:/bin/sh\nx:y:0:/:/bin/sh\n\n',
    );
    expect((users as readonly { readonly user: string }[]).map(({ user }) => user)).toEqual([
      'root',
      'ann',
      'svc',
    ]);
  });

  test('an empty file says nothing', () => {
    expect(read('')).toEqual({});
  });
});
