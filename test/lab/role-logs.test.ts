import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshAs } from '../support/thief.ts';
import type { Lab, LabHost } from './lab.ts';
import { provisionedLab, type LabKeys } from './provisioned.ts';
import { removeStage, sendPack, setUp, siteFor } from './setup-target.ts';

// Where the records of the three programs go, and who cannot write there.

const LOGS = ['mcp-wrapper', 'pra-exec', 'pra-run'] as const;
const RULES = '/etc/rsyslog.d/10-mcp-pra.conf';

let lab: Lab;
let host: LabHost;
let keys: LabKeys;
let site: Record<string, unknown>;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-logs-'));
  ({ lab, keys } = await provisionedLab(1));
  host = lab.hosts[0] as LabHost;
  site = siteFor(host, keys);
  await sendPack(host);
  const first = await setUp(host, site, 'logs');
  if (first.code !== 0) throw new Error(first.refusal);
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const sh = (line: string): Promise<string> => host.sh(line);

const ask = async (account: 'mcp-reader' | 'pra-runner', word: string): Promise<void> => {
  const key = account === 'mcp-reader' ? keys.reader : keys.runner;
  const to = { host: host.name, address: host.address, port: 22, knownHosts: lab.knownHosts, key };
  const said = await sshAs(to, account, [word]);
  expect(said.code, said.stderr).toBe(0);
};

/** The host itself waits until a line of `path` contains `words`: rsyslog writes when it gets to it. */
const arrives = async (path: string, words: string): Promise<void> => {
  await sh(`timeout 30 /bin/sh -c 'until grep -qsF -- "${words}" ${path}; do sleep 0.05; done'`);
};

let mark = 0;
/** Returns when rsyslog has come to all that was sent before. */
const settle = async (): Promise<void> => {
  mark += 1;
  // One comes through the socket, the other, which is nobody's record, through the journal.
  await sh(
    `logger -t settle "mark ${mark} socket."; runuser -u admin -- logger -t pra-run "mark ${mark} journal."`,
  );
  await arrives('/var/log/user.log', `mark ${mark} socket.`);
  await arrives('/var/log/user.log', `mark ${mark} journal.`);
};

const linesWith = async (path: string, words: string): Promise<number> =>
  Number(await sh(`grep -cF -- "${words}" ${path} || true`));

const ELSEWHERE = ['/var/log/auth.log', '/var/log/syslog', '/var/log/user.log'];

describe('a record', () => {
  test('of each program arrives in its own file, exactly once, and nowhere else', async () => {
    const before = await Promise.all(LOGS.map((name) => linesWith(`/var/log/${name}.log`, 'v=1')));
    // The role logs in to prove stage sshd, before there are files of ours.
    const elsewhere = await Promise.all(ELSEWHERE.map((path) => linesWith(path, ': v=1 verdict=')));
    for (let count = 0; count < 3; count += 1) {
      await ask('mcp-reader', 'uptime');
      await ask('pra-runner', 'version');
    }
    await settle();
    for (const [at, name] of LOGS.entries())
      expect(await linesWith(`/var/log/${name}.log`, 'v=1'), name).toBe((before[at] ?? 0) + 3);
    for (const [at, path] of ELSEWHERE.entries())
      expect(await linesWith(path, ': v=1 verdict='), path).toBe(elsewhere[at]);
    expect(
      await sh("stat -c '%U:%G %a' /var/log/mcp-wrapper.log /var/log/pra-exec.log /var/log/pra-run.log"),
    ).toBe(Array(3).fill('root:adm 640').join('\n'));
  });

  test('is not lost while rsyslog restarts', async () => {
    const before = await linesWith('/var/log/mcp-wrapper.log', 'verb=memory');
    await sh('systemctl stop rsyslog.service syslog.socket');
    await ask('mcp-reader', 'memory');
    await sh('systemctl reset-failed rsyslog; systemctl start syslog.socket rsyslog.service');
    await settle();
    expect(await linesWith('/var/log/mcp-wrapper.log', 'verb=memory')).toBe(before + 1);
  });

  test.each<[who: string, program: string, forge: string]>([
    ['an account of the host, by its tag', 'pra-run', 'runuser -u admin -- logger -t pra-run WORDS'],
    ['an account of the host, by its tag', 'mcp-wrapper', 'runuser -u admin -- logger -t mcp-wrapper WORDS'],
    ['an account of the host, with a pid', 'pra-exec', "runuser -u admin -- logger -t 'pra-exec[7]' WORDS"],
    ['the reader account', 'pra-run', 'runuser -u mcp-reader -- logger -t pra-run WORDS'],
    ['the runner account', 'mcp-wrapper', 'runuser -u pra-runner -- logger -t mcp-wrapper WORDS'],
    ['the reader account', 'pra-exec', 'runuser -u mcp-reader -- logger -t pra-exec WORDS'],
    [
      "a program of the reader's own that is not logger",
      'mcp-wrapper',
      `runuser -u mcp-reader -- /usr/bin/python3 -c 'import syslog,time; syslog.openlog("mcp-wrapper"); syslog.syslog("WORDS"); time.sleep(1)'`,
    ],
    [
      'an account that says it were root, by the native protocol',
      'pra-run',
      `runuser -u admin -- /usr/bin/python3 -c 'from systemd import journal; journal.send("WORDS", SYSLOG_IDENTIFIER="pra-run", _UID="0", _EXE="/usr/bin/python3")'`,
    ],
    [
      'an account, by the standard output of a unit',
      'pra-run',
      'runuser -u admin -- systemd-cat -t pra-run echo WORDS',
    ],
    // Root is trusted; this keeps its mistakes apart, as long as the sender lives.
    ['root by another program', 'pra-run', '(echo WORDS; sleep 1) | logger -t pra-run'],
  ])('forged by %s is not in the file of %s', async (_, program, forge) => {
    mark += 1;
    const words = `v=1 verdict=forged number=${mark}.`;
    // In Python's code the words stand between quotes already.
    await sh(forge.replace('"WORDS"', `"${words}"`).replace('WORDS', `"${words}"`));
    await settle();
    for (const name of LOGS) expect(await linesWith(`/var/log/${name}.log`, words), name).toBe(0);
    // Nor is it hidden: it stays where the host keeps what anybody says, once.
    expect(await linesWith('/var/log/syslog', words), program).toBe(1);
  });
});

describe('the files', () => {
  test('a second run changes nothing; a flag that was taken away comes back', async () => {
    expect(await setUp(host, site, 'logs')).toMatchObject({ code: 0, changed: [] });
    await sh('chattr -a /var/log/pra-exec.log');
    expect((await setUp(host, site, '--check', 'logs')).changed).toEqual([
      'append-only + /var/log/pra-exec.log',
    ]);
    expect((await setUp(host, site, 'logs')).changed).toEqual(['append-only + /var/log/pra-exec.log']);
  });

  test('cannot be emptied, renamed or removed, by root neither, and are turned all the same', async () => {
    for (const line of [
      ': >/var/log/pra-run.log',
      'rm /var/log/pra-run.log',
      'mv /var/log/pra-run.log /root/',
    ])
      await expect(sh(line)).rejects.toThrow('Operation not permitted');
    // More than maxsize, and the host's own daily unit in its sandbox.
    await sh(
      'head -c 51M /dev/zero | tr "\\0" x >>/var/log/mcp-wrapper.log; systemctl start logrotate.service',
    );
    expect(
      await sh('lsattr /var/log/mcp-wrapper.log | cut -c1-6; lsattr /var/log/mcp-wrapper.log.1 | cut -c1-6'),
    ).toBe('-----a\n------');
    expect(await sh("stat -c '%U:%G %a' /var/log/mcp-wrapper.log")).toBe('root:adm 640');
    await ask('mcp-reader', 'uptime');
    await arrives('/var/log/mcp-wrapper.log', 'verb=uptime');
    expect(Number(await sh('wc -l </var/log/mcp-wrapper.log'))).toBe(1);
  });

  test('append_only: false takes the flag away', async () => {
    const plain = { ...site, logs: { append_only: false } };
    expect((await setUp(host, plain, 'logs')).changed).toEqual([
      ...LOGS.map((name) => `append-only - /var/log/${name}.log`),
      '0644 /etc/logrotate.d/mcp-pra',
    ]);
    await sh('logrotate -f /etc/logrotate.d/mcp-pra');
    expect(await sh('lsattr /var/log/pra-run.log | cut -c1-6')).toBe('------');
    expect((await setUp(host, site, 'logs')).code).toBe(0);
  });
});

describe('a host', () => {
  test('whose rsyslog would not take the rules is as before: the refusal says which line', async () => {
    const before = await host.readFile(RULES);
    await host.writeFile('/etc/rsyslog.d/90-site.conf', 'module(load="no-such-module")\n');
    try {
      const refused = await setUp(host, { ...site, logs: { remote: await remote() } }, 'logs');
      expect(refused).toMatchObject({ code: 1, changed: [] });
      expect(refused.refusal).toMatch(
        /stage logs: \/usr\/sbin\/rsyslogd -N1 ended with 1: .*no-such-module/u,
      );
      expect(await host.readFile(RULES)).toBe(before);
    } finally {
      await sh('rm /etc/rsyslog.d/90-site.conf; systemctl reset-failed rsyslog; systemctl restart rsyslog');
    }
  });

  test('whose rsyslog reads the rules but no journal is as before: a record has to arrive', async () => {
    await removeStage(host, 'logs');
    await host.writeFile('/etc/systemd/journald.conf.d/site.conf', '[Journal]\nStorage=none\n');
    await sh('systemctl restart systemd-journald');
    try {
      const refused = await setUp(host, site, 'logs');
      expect(refused).toMatchObject({ code: 1, changed: [] });
      expect(refused.refusal).toContain('no record of pra-run came to /var/log/pra-run.log');
      expect(await sh(`ls ${RULES} 2>&1 || true`)).toContain('No such file');
    } finally {
      await sh('rm /etc/systemd/journald.conf.d/site.conf; systemctl restart systemd-journald');
    }
    expect((await setUp(host, site, 'logs')).code).toBe(0);
  });

  test('that loads imjournal itself, as RHEL does, gets no second one, and each record arrives once', async () => {
    const main = await host.readFile('/etc/rsyslog.conf');
    await host.writeFile(
      '/etc/rsyslog.conf',
      main.replace(
        'module(load="imuxsock")',
        'module(load="imuxsock" SysSock.Use="off")\nmodule(load="imjournal" StateFile="imjournal.state")',
      ),
    );
    try {
      expect((await setUp(host, site, 'logs')).changed).toEqual([`0644 ${RULES}`]);
      const before = await linesWith('/var/log/mcp-wrapper.log', 'verb=disk_usage');
      await ask('mcp-reader', 'disk_usage');
      await settle();
      expect(await linesWith('/var/log/mcp-wrapper.log', 'verb=disk_usage')).toBe(before + 1);
      expect(await linesWith('/var/log/auth.log', 'verb=disk_usage')).toBe(0);
    } finally {
      await host.writeFile('/etc/rsyslog.conf', main);
    }
    expect((await setUp(host, site, 'logs')).code).toBe(0);
    await sh('rm /var/spool/rsyslog/imjournal.state');
  });

  test('whose rsyslog gives up root, as on Ubuntu, has files that it may write to and turn, and nobody else', async () => {
    const main = await host.readFile('/etc/rsyslog.conf');
    await sh(`useradd --system --no-create-home --groups adm --shell /usr/sbin/nologin syslog
      chown root:syslog /var/log; chmod 775 /var/log; chown -R syslog:adm /var/spool/rsyslog
      cd /var/log; for file in auth.log syslog user.log; do [ ! -e $file ] || chown syslog:adm $file; done`);
    await host.writeFile('/etc/rsyslog.conf', `${main}\n$PrivDropToUser syslog\n$PrivDropToGroup syslog\n`);
    try {
      await removeStage(host, 'logs');
      await sh('rm -f /var/log/mcp-wrapper.log /var/log/pra-*.log');
      const run = await setUp(host, site, 'logs');
      expect(run, run.refusal).toMatchObject({ code: 0 });
      expect(await sh('ps -o user= -C rsyslogd')).toBe('syslog');
      await ask('mcp-reader', 'uptime');
      await settle();
      await sh('logrotate -f /etc/logrotate.d/mcp-pra');
      await ask('mcp-reader', 'memory');
      await settle();
      expect(await linesWith('/var/log/mcp-wrapper.log.1', 'verb=uptime')).toBe(1);
      expect(await linesWith('/var/log/mcp-wrapper.log', 'verb=memory')).toBe(1);
      expect(
        await sh("stat -c '%U:%G %a' /var/log/mcp-wrapper.log; lsattr /var/log/pra-run.log | cut -c6"),
      ).toBe('syslog:adm 640\na');
      expect(await setUp(host, site, 'logs')).toMatchObject({ code: 0, changed: [] });
    } finally {
      await removeStage(host, 'logs');
      await host.writeFile('/etc/rsyslog.conf', main);
      await sh(`rm -f /var/log/mcp-wrapper.log* /var/log/pra-*.log*; systemctl reset-failed rsyslog; systemctl restart rsyslog
        chown -R root:root /var/spool/rsyslog; chown root:root /var/log; chmod 755 /var/log; userdel syslog`);
    }
    expect((await setUp(host, site, 'logs')).code).toBe(0);
  });

  test('without rsyslog keeps the records in the journal, under the same fields', async () => {
    await sh('mv /usr/sbin/rsyslogd /root/');
    try {
      const run = await setUp(host, site, 'logs');
      expect(run.code, run.refusal).toBe(0);
      expect(run.changed).toEqual([`gone ${RULES}`, 'gone /etc/logrotate.d/mcp-pra']);
      expect(run.same.join()).toContain('this host has no rsyslog; read the records with journalctl');
      // The alias of docs/logs.md.
      await ask('mcp-reader', 'failed_units');
      await sh("logger -t mcp-wrapper 'v=1 verdict=forged verb=failed_units'");
      const read = await sh('journalctl -q -o cat _UID=$(id -u mcp-reader) SYSLOG_IDENTIFIER=mcp-wrapper');
      expect(read.split('\n').filter((line) => line.includes('verb=failed_units'))).toEqual([
        expect.stringContaining('verdict=ok'),
      ]);
    } finally {
      await sh('mv /root/rsyslogd /usr/sbin/');
    }
    expect((await setUp(host, site, 'logs')).code).toBe(0);
  });
});

/** Certificates of one authority, and of another one, made for this run. */
const authority = (name: string): { readonly pem: string; readonly sign: (server: string) => string } => {
  const at = (file: string): string => join(dir, `${name}-${file}`);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const subject = ['-subj', `/CN=${name}`, '-days', '2'];
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ed25519',
    '-nodes',
    '-keyout',
    at('key'),
    '-out',
    at('pem'),
    ...subject,
  );
  return {
    pem: at('pem'),
    sign: (server) => {
      const made = at(server);
      const names = ['-subj', `/CN=${server}`, '-addext', `subjectAltName=DNS:${server}`];
      openssl(
        'req',
        '-newkey',
        'ed25519',
        '-nodes',
        '-keyout',
        `${made}.key`,
        '-out',
        `${made}.csr`,
        ...names,
      );
      const by = ['-CA', at('pem'), '-CAkey', at('key'), '-CAcreateserial', '-copy_extensions', 'copy'];
      openssl('x509', '-req', '-in', `${made}.csr`, ...by, '-days', '2', '-out', `${made}.pem`);
      return made;
    },
  };
};

const PORT = 6514;
let ours: ReturnType<typeof authority> | undefined;

/** `logs.remote` for a server on our side of the bridge; puts the authority's certificate on the host. */
const remote = async (): Promise<Record<string, unknown>> => {
  ours ??= authority('ours');
  await host.writeFile('/etc/lab-ca.pem', readFileSync(ours.pem, 'utf8'));
  return { host: lab.gateway, port: PORT, ca: '/etc/lab-ca.pem', name: 'logs.lab.test' };
};

/** A syslog server with this certificate. `until` resolves once it got these words, or `left` by a client. */
const receiver = async (
  certificate: string,
): Promise<{ server: Server; got: () => string; until: (words: string) => Promise<void> }> => {
  let text = '';
  let clientsLeft = 0;
  const waiting: (() => void)[] = [];
  const left = (): void => {
    clientsLeft += 1;
    for (const look of waiting) look();
  };
  const server = createServer(
    { key: readFileSync(`${certificate}.key`), cert: readFileSync(`${certificate}.pem`) },
    (socket) => {
      socket.setEncoding('utf8');
      socket.on('data', (piece: string) => {
        text += piece;
        for (const look of waiting) look();
      });
      socket.on('error', () => {});
      socket.on('close', left);
    },
  );
  server.on('tlsClientError', left);
  await new Promise<void>((resolve) => server.listen(PORT, lab.gateway, resolve));
  const until = (words: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (words === 'left' ? clientsLeft > 0 : text.includes(words)) resolve();
      };
      waiting.push(look);
      look();
    });
  return { server, got: () => text, until };
};

const close = async (server: Server): Promise<void> => {
  await new Promise((resolve) => server.close(resolve));
};

describe('forwarding over TLS', () => {
  test('without the certificates of the authority, or without TLS for rsyslog, it is refused', async () => {
    const wanted = { ...(await remote()), ca: '/etc/none.pem' };
    const refused = await setUp(host, { ...site, logs: { remote: wanted } }, 'logs');
    expect(refused).toMatchObject({ code: 1, changed: [] });
    expect(refused.refusal).toContain('/etc/none.pem is not on this host');
    // The driver for OpenSSL would be there; it does not always compare the name.
    await sh('cd /usr/lib/*-linux-gnu/rsyslog; mv lmnsd_gtls.so /root/; touch lmnsd_ossl.so');
    try {
      const bare = await setUp(host, { ...site, logs: { remote: await remote() } }, 'logs');
      expect(bare.refusal).toContain('install rsyslog-gnutls first');
    } finally {
      await sh('cd /usr/lib/*-linux-gnu/rsyslog; mv /root/lmnsd_gtls.so .; rm lmnsd_ossl.so');
    }
  });

  test('a server that is not there makes nobody wait, nor does one of another name or authority get a record; all arrive later', async () => {
    const wanted = await remote();
    const started = await setUp(host, { ...site, logs: { remote: wanted } }, 'logs');
    expect(started.code, started.refusal).toBe(0);
    await ask('mcp-reader', 'uptime');
    await settle();

    const certificates = [ours!.sign('other.lab.test'), authority('theirs').sign('logs.lab.test')];
    for (const certificate of certificates) {
      const wrong = await receiver(certificate);
      await sh('systemctl reset-failed rsyslog; systemctl restart rsyslog');
      await ask('mcp-reader', 'memory');
      await wrong.until('left');
      expect(wrong.got()).toBe('');
      await sh('systemctl stop rsyslog.service syslog.socket');
      await close(wrong.server);
      await sh('systemctl reset-failed rsyslog; systemctl start syslog.socket rsyslog.service');
    }

    const right = await receiver(ours!.sign('logs.lab.test'));
    await ask('mcp-reader', 'disk_usage');
    await sh("runuser -u admin -- logger -t mcp-wrapper 'v=1 verdict=forged'");
    // What waited on disk may come after what was sent since.
    for (const verb of ['uptime', 'memory', 'disk_usage']) {
      await right.until(`verb=${verb}`);
      expect(right.got()).toMatch(
        new RegExp(`<86>1 \\S+ ${host.name} mcp-wrapper \\d+ - - v=1 .*verb=${verb}`, 'u'),
      );
    }
    await settle();
    expect(right.got()).not.toContain('forged');
    await setUp(host, site, 'logs');
    await close(right.server);
  });
});

// Late: with its own limit (20,000 messages in ten minutes) an imjournal that the site loads would still be at these.
describe('a flood', () => {
  test("of other senders' messages does not silence our records", async () => {
    // journald takes 10,000 of each sender in 30 s; three of them are more than imjournal's own limit for all of the host.
    await sh(`yes 'noise of somebody' | head -n 9000 >/run/noise; chmod 644 /run/noise
      for n in 1 2 3; do systemd-run --quiet --wait --collect --uid=nobody /usr/bin/logger -t noise -f /run/noise; done; rm /run/noise`);
    const before = await linesWith('/var/log/mcp-wrapper.log', 'verb=memory');
    await ask('mcp-reader', 'memory');
    await settle();
    expect(await linesWith('/var/log/mcp-wrapper.log', 'verb=memory')).toBe(before + 1);
    expect(await linesWith('/var/log/user.log', 'noise of somebody')).toBeGreaterThan(20_000);
  });
});

test('removing leaves the logs, without their flag, and no rule', async () => {
  await removeStage(host, 'logs');
  expect(await sh(`ls ${RULES} /etc/logrotate.d/mcp-pra 2>/dev/null || true; ls /var/spool/rsyslog`)).toBe(
    '',
  );
  expect(await sh('lsattr /var/log/pra-run.log | cut -c1-6')).toBe('------');
  expect(await sh('systemctl is-active rsyslog')).toBe('active');
  expect(await removeStage(host, 'logs')).toEqual([]);
});
