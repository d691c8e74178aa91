import { describe, expect, test } from 'vitest';
import { diffFiles } from '../../../src/cli/diff-files.ts';
import { desktopEntry } from '../../../src/cli/init/desktop-entry.ts';
import { collectHost } from '../../../src/cli/init/new-host.ts';
import { allowedSigners, transportKeys } from '../../../src/cli/init/provision-files.ts';
import { collect, readNameValues } from '../../../src/cli/name-values.ts';

describe('name=value words', () => {
  test('the first = divides; a value may be empty and have any characters', () => {
    expect(readNameValues(['unit=a=b.service', 'note='])).toEqual({ unit: 'a=b.service', note: '' });
  });

  test.each([['nginx'], ['=x'], ['--unit=x'], ['Unit=x'], ['__proto__=x']])('%s is refused', (word) => {
    expect(() => readNameValues([word])).toThrow(/name=value/u);
  });

  test('a name that is there twice is refused', () => {
    expect(() => readNameValues(['a=1', 'a=2'])).toThrow(/there twice/u);
  });

  test('lists may be repeated or divided by commas', () => {
    expect(collect('c,,d', collect('a'))).toEqual(['a', 'c', 'd']);
  });
});

describe('hosts for init', () => {
  test.each([
    ['web1=192.0.2.1', 'web1', '192.0.2.1', 22],
    ['web1=web1.example.net:2222', 'web1', 'web1.example.net', 2222],
    ['v6=2001:db8::1', 'v6', '2001:db8::1', 22],
    ['v6=[2001:db8::1]:2200', 'v6', '2001:db8::1', 2200],
  ])('%s', (word, name, address, port) => {
    expect(collectHost(word)).toEqual([{ name, address, port }]);
  });

  test.each([
    ['web1'],
    ['=x'],
    ['Web=x'],
    ['web1=a b'],
    ['web1=x:0'],
    ['web1=x:65536'],
    ['web1=-oProxyCommand=x'.replace('=-', '=;')],
  ])('%s is refused', (word) => {
    expect(() => collectHost(word)).toThrow(/name=address/u);
  });
});

test('people and the automatic key never get the same namespaces', () => {
  const keys = {
    principal: 'alice',
    reader: 'r',
    runner: 'r',
    auto: 'ssh-ed25519 AUTO c',
    approver: 'ssh-ed25519 MINE c\n',
  };
  expect(allowedSigners(keys)).toEqual([
    'alice namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ssh-ed25519 MINE',
  ]);
  // The auto key is rotated: it is listed by itself, and the role gives it the one namespace that it may have.
  expect(transportKeys(keys, 0).auto).toEqual([{ key: 'ssh-ed25519 AUTO c', expires: null, more: {} }]);
  expect(allowedSigners({ ...keys, auto: undefined, approver: undefined })).toEqual([]);
});

test('the desktop entry carries the variables that decide where files are', () => {
  const program = { node: '/n/node', script: '/p/main.js' };
  expect(
    JSON.parse(desktopEntry(program, '/c/mcp-pra.yaml', { XDG_STATE_HOME: '/s', PATH: '/bin' })),
  ).toEqual({
    mcpServers: {
      'mcp-pra': {
        command: '/n/node',
        args: ['/p/main.js', 'serve', '--config', '/c/mcp-pra.yaml'],
        env: { XDG_STATE_HOME: '/s' },
      },
    },
  });
});

test('a difference of tables shows what a host would newly allow', () => {
  const before = new Map([
    ['a', 'one\ntwo\n'],
    ['b', 'same\n'],
    ['gone', 'x\n'],
  ]);
  const after = new Map([
    ['a', 'one\nnew\ntwo\n'],
    ['b', 'same\n'],
    ['added', 'y\n'],
  ]);
  expect(diffFiles(before, after)).toEqual([
    {
      path: 'a',
      change: 'changed',
      lines: [
        { sign: ' ', text: 'one' },
        { sign: '+', text: 'new' },
        { sign: ' ', text: 'two' },
      ],
    },
    { path: 'added', change: 'added', lines: [{ sign: '+', text: 'y' }] },
    { path: 'gone', change: 'removed', lines: [{ sign: '-', text: 'x' }] },
  ]);
});
