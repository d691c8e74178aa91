import { describe, expect, it, test } from 'vitest';
import { clientConfig, isPlainPath, knownHostsFor, masterConfig } from '../../../src/ssh/openssh-config.ts';
import { DEFAULT_LIMITS } from '../../../src/ssh/limits.ts';
import { socketBases } from '../../../src/ssh/openssh-folder.ts';
import { readExecLog, readMasterLine } from '../../../src/ssh/openssh-log.ts';
import { parseVersion, requirePlatform } from '../../../src/ssh/openssh-program.ts';
import { sshString } from '../../../src/request/ssh-reader.ts';

const files = { control: '/run/x/1.control', knownHosts: '/run/x/1.known_hosts', empty: '/run/x/1.empty' };
const program = {
  version: 'OpenSSH_9.2p1',
  kex: ['curve25519-sha256', 'sntrup761x25519-sha512@openssh.com'],
  cipher: ['aes256-gcm@openssh.com', '3des-cbc'],
  mac: ['hmac-sha2-256-etm@openssh.com'],
};
const host = { name: 'web1', address: '192.0.2.1', port: 22 };
const wish = {
  program,
  host,
  user: 'mcp-reader',
  files,
  keys: { identity: '/run/x/1.pub', agent: '/run/x/key1' },
  hostKeyAlgorithms: ['ssh-ed25519'] as const,
  limits: DEFAULT_LIMITS,
};
const words = (config: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    config
      .split('\n')
      .slice(1, -1)
      .map((line) => line.trim().split(' ') as [string, string]),
  );

describe('the configuration of the system ssh', () => {
  it('leaves nothing to prompts, files of the user, other keys or forwarding', () => {
    expect(words(masterConfig(wish))).toMatchObject({
      BatchMode: 'yes',
      StrictHostKeyChecking: 'yes',
      UserKnownHostsFile: files.knownHosts,
      GlobalKnownHostsFile: files.empty,
      UpdateHostKeys: 'no',
      HostKeyAlias: 'web1',
      IdentitiesOnly: 'yes',
      IdentityAgent: '/run/x/key1',
      CertificateFile: 'none',
      ForwardAgent: 'no',
      ClearAllForwardings: 'yes',
      PermitLocalCommand: 'no',
      RequestTTY: 'no',
      EscapeChar: 'none',
      ProxyCommand: '-',
      ControlPersist: 'no',
      ServerAliveInterval: '5',
      ServerAliveCountMax: '2',
    });
  });

  it('offers what this ssh has of our algorithms, a post-quantum key exchange first', () => {
    const config = words(masterConfig(wish));
    expect(config['KexAlgorithms']).toBe('sntrup761x25519-sha512@openssh.com,curve25519-sha256');
    expect(config['Ciphers']).toBe('aes256-gcm@openssh.com');
    const none = { ...wish, program: { ...program, kex: ['diffie-hellman-group1-sha1'] } };
    expect(() => masterConfig(none)).toThrow(expect.objectContaining({ code: 'SSH_TOO_OLD' }));
  });

  it.each([
    ['a line break', { ...host, address: '192.0.2.1\nProxyCommand evil' }],
    ['a space', { ...host, address: '192.0.2.1 x' }],
    ['a quote', { ...host, name: 'web"1' }],
    ['a token', { ...host, name: 'web%h' }],
    ['a variable', { ...host, name: '${HOME}' }],
  ])('cannot be written into by a value with %s', (_, bad) => {
    expect(() => masterConfig({ ...wish, host: bad })).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('lets a client of a master reach nothing by itself', () => {
    expect(words(clientConfig(files))).toMatchObject({
      HostName: '0.0.0.0',
      AddressFamily: 'inet6',
      PubkeyAuthentication: 'no',
      UserKnownHostsFile: files.empty,
      StrictHostKeyChecking: 'yes',
      ControlMaster: 'no',
    });
  });

  it('has a known_hosts of exactly the keys that are trusted and revoked', () => {
    const key = (name: string): Buffer => Buffer.concat([sshString('ssh-ed25519'), sshString(name)]);
    const [good, bad] = [key('good'), key('bad')];
    expect(knownHostsFor(host, { trusted: [good], revoked: [bad] })).toBe(
      `web1 ssh-ed25519 ${good.toString('base64')}\n@revoked web1 ssh-ed25519 ${bad.toString('base64')}\n`,
    );
  });
});

describe('the place for sockets', () => {
  it('is the first that is plain and short enough', () => {
    expect(socketBases({ XDG_RUNTIME_DIR: '/run/user/1000' }, '/var/tmp')).toEqual([
      '/run/user/1000',
      '/var/tmp',
      '/tmp',
    ]);
    expect(socketBases({ XDG_RUNTIME_DIR: '/run/my folder' }, 'relative')).toEqual(['/tmp']);
    expect(isPlainPath('/tmp/%h')).toBe(false);
  });

  it('may be so long that ssh can still bind its socket there, and no longer', () => {
    // 104 with the final NUL: base + /mcp-pra-XXXXXX/ + 4294967295.control + .16 letters
    const longest = `/${'x'.repeat(103 - 16 - 18 - 17 - 1)}`;
    expect(socketBases({}, longest)).toEqual([longest, '/tmp']);
    expect(socketBases({}, `${longest}x`)).toEqual(['/tmp']);
  });
});

describe('the log of ssh', () => {
  const fingerprint = `SHA256:${'a'.repeat(43)}`;
  it.each([
    ['debug1: Entering interactive session.', { kind: 'ready' }],
    [
      `debug1: Server host key: ssh-ed25519 ${fingerprint}`,
      { kind: 'host-key', type: 'ssh-ed25519', fingerprint },
    ],
    ['debug1: kex: algorithm: sntrup761x25519-sha512', { kind: 'kex', name: 'sntrup761x25519-sha512' }],
    ['Host key verification failed.', { kind: 'host-key-refused' }],
    ['mcp-reader@192.0.2.1: Permission denied (publickey).', { kind: 'auth-refused' }],
    [
      'Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures',
      { kind: 'auth-refused' },
    ],
    [
      'sign_and_send_pubkey: signing failed for ED25519 "x": agent refused operation',
      { kind: 'agent-refused' },
    ],
    ['debug1: Sending command: uptime', { kind: 'command', line: 'uptime' }],
    ['debug1: Authentications that can continue: publickey', undefined],
    [' debug1: Entering interactive session.', undefined],
    ['x Host key verification failed.', undefined],
  ])('%j', (line, event) => {
    expect(readMasterLine(line)).toEqual(event);
  });

  it('of one exec says whether it was sent, and how it ended', () => {
    const open = 'debug1: mux_client_request_session: master session id: 2\r\n';
    expect(readExecLog(`${open}debug2: Received exit status from master 255\r\n`)).toEqual({
      opened: true,
      exit: 255,
      unsent: undefined,
    });
    expect(readExecLog(`${open}debug2: Control master terminated unexpectedly\r\n`)).toEqual({
      opened: true,
      exit: undefined,
      unsent: undefined,
    });
    const busy = 'mux_client_request_session: session request failed: Session open refused by peer\r\n';
    expect(readExecLog(busy).unsent).toBe('busy');
    expect(readExecLog('Stdio forwarding request failed: Session open refused by peer\r\n').unsent).toBe(
      'busy',
    );
    expect(readExecLog('Control socket connect(/x): Connection refused\r\n').unsent).toBe('lost');
    expect(readExecLog('debug1: Control socket connect(/x): No such file\r\n').unsent).toBe('lost');
    expect(readExecLog('')).toEqual({ opened: false, exit: undefined, unsent: undefined });
  });
});

test('Windows is told to use the other transport: its ssh cannot share connections', () => {
  expect(() => requirePlatform('win32')).toThrow(expect.objectContaining({ code: 'OPENSSH_PLATFORM' }));
  expect(() => requirePlatform('darwin')).not.toThrow();
});

describe('the version of ssh', () => {
  it.each([
    ['OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19', { version: 'OpenSSH_9.2p1', major: 9, minor: 2 }],
    [
      'OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2',
      { version: 'OpenSSH_for_Windows_9.5p1', major: 9, minor: 5 },
    ],
    ['OpenSSH_10.0p2 Debian-7', { version: 'OpenSSH_10.0p2', major: 10, minor: 0 }],
    ['Dropbear v2022.83', undefined],
  ])('%j', (text, version) => {
    expect(parseVersion(text)).toEqual(version);
  });
});
