import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Client } from 'ssh2';
import { serialiseSubmission } from '../../../src/request/submission.ts';
import { DEMO_UNIT, SLOW_UNIT, SPARE_UNIT } from '../../lab/provisioned.ts';
import { strictOptions } from '../../lab/ssh.ts';
import { prepare, ticketFrom } from '../../support/thief.ts';
import type { Attack } from '../attack.ts';
import { told, type Account, type Field } from '../field.ts';
import { leftOver } from '../oracle/processes.ts';
import { withPolicy } from './tickets.ts';

// What a host runs out of, or loses, while it is needed most: whoever can bring that about must not be able to stop the product
// with it, nor to have an action done twice. Here an attack "gets through" when the host no longer does what it should.

const startsOf = async (field: Field, unit: string): Promise<number> =>
  Number(await field.stage(`cat /run/${unit.replace('.service', '.starts')} 2>/dev/null | wc -l`));

/** One approved restart, handed in twice: what was said, and how often the unit was started meanwhile. */
const restartTwice = async (field: Field, unit: string, namespace: string, name: string): Promise<string> => {
  await field.stage(`systemctl reset-failed ${unit} 2>/dev/null || :`); // systemd's own limit of starts is not what is tried
  const before = await startsOf(field, unit);
  const made = await prepare(field.loot(field.keys.runner), {
    action: 'restart_service',
    args: [['unit', unit]],
  });
  const ticketText = ticketFrom(made);
  const submission = serialiseSubmission({
    ticketText,
    signatures: [field.sign(ticketText, namespace)],
    offer: made.signed,
  });
  const said = [
    await field.act('restart_service', submission),
    await field.act('restart_service', submission),
  ];
  return `${told(...said)}\n${name} RAN ${String((await startsOf(field, unit)) - before)} TIMES\n`;
};

/** One LOW and one HIGH action. */
const bothOnce = async (field: Field): Promise<string> => {
  const low = await restartTwice(field, DEMO_UNIT, 'mcp-pra-low', 'LOW');
  const high = await withPolicy(
    field,
    {
      impact: { restart_service: 'HIGH' },
      auto: [],
      signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
    },
    () => restartTwice(field, SPARE_UNIT, 'mcp-pra-high', 'HIGH'),
  );
  return low + high;
};
const BOTH_RAN = /LOW RAN 1 TIMES[^]*HIGH RAN 1 TIMES/u;
const NOT_ONCE = /RAN (?!1 )\d+ TIMES/u;

/** /var with an upper layer of a certain size, whose state folder is in that layer; then whatever `spoil` does to it. */
const withSmallVar = async (
  field: Field,
  options: string,
  spoil: string,
  work: () => Promise<string>,
): Promise<string> => {
  try {
    await field.stage(`mkdir -p /run/small; mount -t tmpfs -o ${options} tmpfs /run/small; mkdir /run/small/upper /run/small/work
mount -t overlay -o lowerdir=/var,upperdir=/run/small/upper,workdir=/run/small/work overlay /var
cp -a /var/lib/mcp-pra /var/lib/copy; rm -rf /var/lib/mcp-pra; mv /var/lib/copy /var/lib/mcp-pra
${spoil}`);
    return await work();
  } finally {
    await field.stage('umount -l /var || :; umount -l /run/small || :; rmdir /run/small');
  }
};

const fullDisk = (id: string, what: string, options: string, spoil: string, state: RegExp): Attack => ({
  id: `disk-${id}`,
  what,
  layer: 'pra-run',
  attack: (field) =>
    withSmallVar(
      field,
      options,
      spoil,
      async () => `${told(await field.read('uptime'))}\n${await bothOnce(field)}`,
    ),
  stopped: new RegExp(`mcp-pra 1[^]*${state.source}[^]*${BOTH_RAN.source}`, 'u'),
  through: NOT_ONCE,
  without: [{ off: 'pra-run: room', so: 'through' }],
  last: true,
});

const NOT_DURABLE = /durable no/u;

/** A name server that answers nobody and counts who asks, on a host whose own name is in no file. */
const DEAD_DNS = `import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.53', 53))
open('/run/attack-dns', 'w').close()
while True:
    query = server.recv(4096)
    # The host's own name, or that of an address: whatever else a host may ask for is not ours.
    if socket.gethostname().encode() in query or b'in-addr' in query or b'ip6' in query:
        open('/run/attack-dns', 'a').write('asked\\n')
`;
/** Something that takes datagrams for the log until its queue is full, and reads none. */
const DEAD_LOG = `import os, signal, socket
os.umask(0)
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind('/dev/log')
senders = []
# A sender has a limit of its own: the queue is full when a fresh one cannot send anything.
sent = True
while sent:
    sent = False
    senders.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    senders[-1].setblocking(False)
    try:
        while True:
            senders[-1].sendto(b'x', '/dev/log')
            sent = True
    except BlockingIOError:
        pass
open('/run/attack-log', 'w').close()
signal.pause()
`;
const service = (name: string, code: string): string =>
  `systemd-run --quiet --collect --unit=${name} /usr/bin/python3 -c '${code.replaceAll("'", `'"'"'`)}'; timeout 20 /bin/sh -c 'until [ -e /run/${name} ]; do sleep 0.05; done'`;

/** The account's program with sshd's own argv, for at most five seconds. Not by runuser: PAM would wait for a log that hangs. */
const once5 = (field: Field, account: Account, program: string, line: string) =>
  field.host.run([
    'setpriv',
    `--reuid=${account}`,
    `--regid=${account}`,
    '--init-groups',
    // A program that waits for its log ignores any signal that can be ignored.
    'timeout',
    '--signal=KILL',
    '5',
    'env',
    `SSH_ORIGINAL_COMMAND=${line}`,
    'SSH_CONNECTION=192.0.2.7 1 192.0.2.8 22',
    `/usr/local/bin/${program}`,
    '-c',
    `/usr/local/bin/${program}`,
  ]);

const eachAnswers = async (field: Field): Promise<string> => {
  const reader = await once5(field, 'mcp-reader', 'mcp-wrapper', 'uptime');
  const runner = await once5(field, 'pra-runner', 'pra-exec', 'version');
  return `READER ${told(reader)}\nRUNNER ${told(runner)}`;
};
const EACH_ANSWERED = /READER exit 0\n[^]*mcp-pra 1[^]*RUNNER exit 0\n[^]*mcp-pra 1/u;

/** A diagnostic or an action whose client is killed with nothing said. `until` is shell that ends when it has begun. */
const killedClient = async (
  field: Field,
  account: Account,
  line: string,
  input: string,
  until: string,
): Promise<void> => {
  const key = account === 'mcp-reader' ? field.keys.reader : field.keys.runner;
  const options = [
    ...strictOptions(field.lab.knownHosts),
    '-o',
    `HostKeyAlias=${field.host.name}`,
    '-i',
    key,
  ];
  const client = spawn('ssh', [...options, `${account}@${field.host.address}`, line], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(client, 'exit');
  client.stdin.write(input);
  if (account === 'pra-runner') client.stdin.end();
  try {
    await field.stage(`timeout 30 /bin/sh -c 'until ${until}; do sleep 0.05; done'`);
  } finally {
    client.kill('SIGKILL');
    await ended;
  }
};

export const resources: readonly Attack[] = [
  fullDisk(
    'full',
    'a /var without a free block: one LOW and one HIGH still run exactly once',
    'size=24m',
    'head -c 64M /dev/zero >/var/tmp/fill 2>/dev/null || :; while head -c 512 /dev/zero >>/var/tmp/more 2>/dev/null; do :; done',
    /state SUCCEEDED/u,
  ),
  fullDisk(
    'no-inodes',
    'a /var without a free inode: one LOW and one HIGH still run exactly once',
    'size=64m,nr_inodes=2000',
    'n=0; while true >/var/tmp/fill-$n; do n=$((n + 1)); done 2>/dev/null || :',
    NOT_DURABLE,
  ),
  fullDisk(
    'read-only',
    'a read-only /var: one LOW and one HIGH still run exactly once',
    'size=24m',
    'mount -o remount,ro /var',
    NOT_DURABLE,
  ),
  {
    id: 'dns-dead',
    what: 'a name server that answers nobody: no request waits for it',
    layer: 'sudo',
    attack: async (field) => {
      await field.stage(
        `cp -a /etc/hosts /etc/resolv.conf /root/; cp -a /etc/nsswitch.conf /root/; ${service('attack-dns', DEAD_DNS)}
echo '127.0.0.1 localhost' >/etc/hosts; printf 'nameserver 127.0.0.53\\noptions timeout:1 attempts:1\\n' >/etc/resolv.conf`,
      );
      try {
        await field.hangUp();
        const seen = told(await field.read('uptime'), await field.act('version'));
        const asked = await field.stage('wc -l </run/attack-dns');
        return `${seen}\n${asked.trim() === '0' ? 'NOBODY ASKED' : 'IT WAS ASKED'}`;
      } finally {
        await field.stage(
          'systemctl stop attack-dns; rm -f /run/attack-dns; cd /root; cat hosts >/etc/hosts; cat resolv.conf >/etc/resolv.conf',
        );
      }
    },
    stopped: /^exit 0\n[^]*mcp-pra 1[^]*exit 0\n[^]*mcp-pra 1[^]*NOBODY ASKED$/u,
    through: /IT WAS ASKED/u,
    without: [
      { off: 'sudo: names of hosts', so: 'through' },
      { off: 'sshd: names of hosts', so: 'through' },
    ],
    last: true,
  },
  {
    id: 'log-gone',
    what: 'a host without /dev/log: both channels answer',
    layer: 'wrapper',
    attack: async (field) => {
      await field.stage('mv /dev/log /dev/log.kept');
      try {
        return await eachAnswers(field);
      } finally {
        await field.stage('mv /dev/log.kept /dev/log');
      }
    },
    stopped: EACH_ANSWERED,
    through: /READER exit [1-9]/u,
    without: [{ off: 'naive: log first', so: 'through' }],
    last: true,
  },
  {
    id: 'log-hangs',
    what: 'a log socket that nobody reads and that is full: the reader channel’s program answers',
    layer: 'wrapper',
    attack: async (field) => {
      await field.stage(`mv /dev/log /dev/log.kept; ${service('attack-log', DEAD_LOG)}`);
      try {
        return `READER ${told(await once5(field, 'mcp-reader', 'mcp-wrapper', 'uptime'))}`;
      } finally {
        await field.stage('systemctl stop attack-log; rm -f /run/attack-log; mv -f /dev/log.kept /dev/log');
      }
    },
    stopped: /^READER exit 0\n[^]*mcp-pra 1/u,
    through: /READER exit (?:124|137)\n/u,
    without: [
      { off: 'naive: log first', so: 'through' },
      { off: 'wrapper: log in the background', so: 'through' },
    ],
    last: true,
  },
  {
    id: 'password-ageing',
    what: 'a password that was last changed 26 years ago, as the clock of a host without battery or a site’s rule makes it',
    layer: 'account',
    attack: async (field) => {
      await field.stage(
        'cp -a /etc/shadow /root/shadow.row; for one in mcp-reader pra-runner; do chage -d 2000-01-01 $one; done',
      );
      try {
        await field.hangUp();
        return told(await field.read('uptime'), await field.act('version'));
      } finally {
        await field.hangUp();
        await field.stage('cat /root/shadow.row >/etc/shadow');
      }
    },
    stopped: /^exit 0\n[^]*mcp-pra 1[^]*exit 0\n[^]*mcp-pra 1/u,
    through: /expired|^exit (?:1|254|255)\n/u,
    without: [{ off: 'account: ageing', so: 'through' }],
    last: true,
  },
  {
    id: 'killed-reader',
    what: 'a client killed while its diagnostic runs: nothing is left five seconds later',
    layer: 'wrapper',
    attack: async (field) => {
      await killedClient(
        field,
        'mcp-reader',
        'attack_long',
        'hold\n',
        'pgrep -u mcp-reader -x sleep >/dev/null',
      );
      const left = await leftOver(field.host);
      await field.stage('pkill -KILL -u mcp-reader || :');
      return left.length === 0 ? 'NOTHING LEFT' : `STILL THERE\n${left.join('\n')}`;
    },
    stopped: /NOTHING LEFT/u,
    through: /STILL THERE/u,
    without: [{ off: 'wrapper: caller', so: 'through' }],
    last: true,
  },
  {
    id: 'killed-runner',
    what: 'the client and every process of the account killed in the middle of an action: it goes on, and ran once',
    layer: 'pra-run',
    attack: async (field) => {
      await field.stage(`systemctl reset-failed ${SLOW_UNIT} 2>/dev/null || :`);
      const before = await startsOf(field, SLOW_UNIT);
      const made = await prepare(field.loot(field.keys.runner), {
        action: 'restart_service',
        args: [['unit', SLOW_UNIT]],
      });
      const ticketText = ticketFrom(made);
      const submission = serialiseSubmission({
        ticketText,
        signatures: [field.sign(ticketText, 'mcp-pra-low')],
        offer: made.signed,
      });
      const starts = `/run/${SLOW_UNIT.replace('.service', '.starts')}`;
      await killedClient(
        field,
        'pra-runner',
        'restart_service',
        submission,
        `[ "$(wc -l <${starts})" -gt ${String(before)} ]`,
      );
      await field.hangUp();
      await field.stage(
        `systemctl kill --signal=KILL user-$(id -u pra-runner).slice || :; timeout 30 /bin/sh -c 'until systemctl is-active -q ${SLOW_UNIT} && ! systemctl list-units --plain --no-legend "mcp-pra-????????????????.service" | grep -q .; do sleep 0.1; done'`,
      );
      const again = await field.act('restart_service', submission);
      return `${told(again)}\nRAN ${String((await startsOf(field, SLOW_UNIT)) - before)} TIMES`;
    },
    stopped: /refused pra-run REPLAYED[^]*state SUCCEEDED[^]*RAN 1 TIMES/u,
    through: /state (?:INTERRUPTED|RUNNING)|RAN (?!1 )\d+ TIMES/u,
    without: [{ off: 'pra-run: unit of its own', so: 'through' }],
    last: true,
  },
  {
    id: 'sessions-flood',
    what: 'twenty diagnostics at once on one connection',
    layer: 'sshd Match',
    attack: async (field) => {
      const client = new Client();
      const ready = new Promise<void>((resolve, reject) => client.on('ready', resolve).on('error', reject));
      client.connect({
        host: field.host.address,
        username: 'mcp-reader',
        privateKey: readFileSync(field.keys.reader),
      });
      await ready;
      const outcomes = await Promise.all(
        Array.from(
          { length: 20 },
          () =>
            new Promise<string>((resolve) => {
              client.exec('attack_sleep', (error, stream) => {
                if (error !== undefined) return resolve('TURNED AWAY');
                stream.on('close', () => resolve('TAKEN')).resume();
                stream.stderr.resume();
              });
            }),
        ),
      );
      client.end();
      const taken = outcomes.filter((one) => one === 'TAKEN').length;
      return taken <= 10 ? 'AT MOST TEN TAKEN' : `${String(taken)} OF TWENTY TAKEN`;
    },
    stopped: /AT MOST TEN TAKEN/u,
    through: /OF TWENTY TAKEN/u,
    without: [{ off: 'sshd: sessions', so: 'through' }],
    last: true,
  },
];
