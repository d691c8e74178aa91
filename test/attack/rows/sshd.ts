import { readFileSync } from 'node:fs';
import { Client, type ConnectConfig, type ExecOptions } from 'ssh2';
import type { Attack, Layer, Without } from '../attack.ts';
import { told, type Account, type Field } from '../field.ts';

// What a stolen transport key asks of sshd itself. Two layers say no to most of it, the Match block and the options of the key
// line; with both gone the login shell is still the wrapper.

const ACCOUNTS: readonly Account[] = ['mcp-reader', 'pra-runner'];
const nameOf = (account: Account): string => (account === 'mcp-reader' ? 'reader' : 'runner');
const wrapperOf = (account: Account): Layer => (account === 'mcp-reader' ? 'wrapper' : 'pra-exec');

/** The same attack with the key of each account. */
const forBoth = (row: (account: Account, name: string) => Attack): readonly Attack[] =>
  ACCOUNTS.map((account) => row(account, nameOf(account)));

const word = (account: Account): string => (account === 'mcp-reader' ? 'uptime' : 'version');

/** Stopped by the Match block, then by the key's options, then by nothing. */
const twice = (stopped: RegExp, third: Without['so'] = 'through'): readonly Without[] => [
  { off: 'sshd: Match', so: { layer: 'key options', stopped } },
  { off: 'sshd: Match and key options', so: third },
];

const forwarding = (
  name: string,
  what: string,
  args: readonly string[],
  stopped: RegExp,
  through: RegExp,
  third?: Without['so'],
): readonly Attack[] =>
  forBoth((account, who) => ({
    id: `${who}-${name}`,
    what: `${what} with the ${who} key`,
    layer: 'sshd Match',
    attack: async (field) => told(await field.ask(account, undefined, '', args)),
    stopped,
    through,
    without: twice(stopped, third),
  }));

/** A command that neither program lists, as another program's client would send it. */
const command = (
  name: string,
  what: string,
  line: string,
  input: string | Buffer,
  through: RegExp,
  cve?: readonly string[],
): readonly Attack[] =>
  forBoth((account, who) => ({
    id: `${who}-${name}`,
    what: `${what} with the ${who} key`,
    layer: wrapperOf(account),
    ...(cve === undefined ? {} : { cve }),
    // A connection of its own: what the login shell is asked is decided when it is opened.
    attack: async (field) => told(await field.ask(account, line, input, ['-o', 'ControlPath=none'])),
    stopped: new RegExp(`^refused ${wrapperOf(account)} (?:LINE_FORM|VERB_UNLISTED|WORD_UNLISTED)$`, 'mu'),
    through,
    without: [
      {
        off: 'sshd: Match and key options',
        so: { layer: 'login shell', stopped: new RegExp(`^refused ${wrapperOf(account)} LOGIN$`, 'mu') },
      },
      { off: 'sshd: open door', so: 'through' },
    ],
  }));

const SFTP_INIT = Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]);

export const sshd: readonly Attack[] = [
  ...forBoth((account, who) => ({
    id: `${who}-shell`,
    what: `a shell with the ${who} key`,
    layer: 'login shell',
    attack: async (field) => told(await field.ask(account, undefined, 'id\n')),
    stopped: new RegExp(`^exit 126\nrefused ${wrapperOf(account)} LOGIN$`, 'mu'),
    through: /uid=\d+/u,
    without: [
      {
        off: 'sshd: Match and key options',
        so: { layer: 'login shell', stopped: new RegExp(`refused ${wrapperOf(account)} LOGIN`, 'u') },
      },
      { off: 'sshd: open door', so: 'through' },
    ],
  })),
  ...forBoth((account, who) => ({
    id: `${who}-terminal`,
    what: `a terminal with the ${who} key`,
    layer: 'sshd Match',
    cve: ['CVE-2005-4890'],
    attack: async (field) => told(await field.ask(account, word(account), '', ['-tt'])),
    stopped: /PTY allocation request failed/u,
    through: /^(?![^]*PTY allocation)[^]*(?:mcp-pra 1|refused \S+ LOGIN)/u,
    without: twice(/PTY allocation request failed/u),
    // ssh leaves at once without its terminal: whether its request was begun by then, and left a record, is chance.
    last: true,
  })),
  ...forBoth((account, who) => ({
    id: `${who}-sftp`,
    what: `the sftp subsystem with the ${who} key`,
    layer: wrapperOf(account),
    // sshd passes no standard error of a subsystem on: the exit code and the silence have to do.
    attack: async (field) => told(await field.ask(account, 'sftp', SFTP_INIT, ['-s'])),
    stopped: /^exit 64\n\n$/u,
    // Its server leaves at the end of input without a word, and well.
    through: /^exit 0\n/u,
    without: [
      { off: 'sshd: Match', so: { layer: 'key options', stopped: /^exit 64\n\n$/u } },
      { off: 'sshd: Match and key options', so: { layer: 'login shell', stopped: /^exit 126\n/u } },
      { off: 'sshd: open door', so: 'through' },
    ],
  })),
  ...command('exec', 'a command', 'touch /var/tmp/attack-canary', '', /^CANARY$/mu),
  ...command(
    'scp-sink',
    'writing files with scp',
    'scp -t /var/tmp/attack-canary',
    'C0644 1 x\nx\0',
    /^exit \d+\n[^]*\0/u,
    ['CVE-2019-1000018'],
  ),
  ...command('scp-source', 'reading files with scp', 'scp -f /etc/passwd', '\0\0\0', /root:x:0:0/u, [
    'CVE-2019-1000018',
  ]),
  ...command(
    'scp-program',
    'another program through scp -S',
    'scp -S /bin/echo -t /var/tmp/attack-canary',
    'C0644 1 x\nx\0',
    /^exit \d+\n[^]*\0/u,
    ['CVE-2004-1161'],
  ),
  ...command(
    'rsync',
    'an rsync server',
    'rsync --server --sender -logDtpr . /etc/passwd',
    '',
    /not found|rsync:|@RSYNCD/u,
    ['CVE-2012-2252', 'CVE-2018-20683'],
  ),
  ...command(
    'rsync-shell',
    'another program through rsync --rsh',
    "rsync -e 'touch /var/tmp/attack-canary' x: .; touch /var/tmp/attack-canary",
    '',
    /^CANARY$/mu,
    ['CVE-2012-2251', 'CVE-2012-2252'],
  ),
  ...command(
    'rsync-daemon',
    'an rsync daemon with a configuration of its own',
    'rsync --server --daemon --config=/var/tmp/x . || touch /var/tmp/attack-canary',
    '',
    /^CANARY$/mu,
    ['CVE-2019-3463'],
  ),
  ...command(
    'git-help',
    'a pager through git',
    "git-upload-pack '--help' || touch /var/tmp/attack-canary",
    '',
    /^CANARY$/mu,
    ['CVE-2017-8386'],
  ),
  ...forwarding(
    'forward-stdio',
    'a connection from the host (-W)',
    ['-W', '127.0.0.1:22'],
    /^exit 255\n/u,
    /SSH-2\.0-/u,
  ),
  ...forwarding(
    'forward-remote',
    'a listening port on the host (-R)',
    ['-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22'],
    /^exit 255\n[^]*(?:remote port forwarding failed|forwarding request failed)/u,
    /refused \S+ LOGIN|Allocated port/u,
  ),
  ...forwarding(
    'forward-any-address',
    'a listening port on all addresses (-R *)',
    ['-o', 'ExitOnForwardFailure=yes', '-R', '0.0.0.0:0:127.0.0.1:22'],
    /^exit 255\n[^]*forwarding (?:failed|request failed)/u,
    /refused \S+ LOGIN|Allocated port/u,
  ),
  ...forwarding(
    'forward-remote-socket',
    'a listening socket on the host (-R)',
    ['-o', 'ExitOnForwardFailure=yes', '-R', '/var/tmp/attack-canary:127.0.0.1:22'],
    /^exit 255\n[^]*forwarding (?:failed|request failed)/u,
    /refused \S+ LOGIN|^CANARY$/mu,
  ),
  ...forBoth((account, who) => ({
    id: `${who}-variables`,
    what: `variables of the client with the ${who} key`,
    layer: 'sshd Match',
    attack: async (field) => {
      const said = await field.ask(account, account === 'mcp-reader' ? 'attack_env' : 'version', '', [
        '-o',
        'SetEnv=LD_PRELOAD=/var/tmp/attack.so BASH_ENV=/var/tmp/x LC_ATTACK=x ATTACK=x PYTHONPATH=/var/tmp SSH_ORIGINAL_COMMAND=x',
      ]);
      return told(said);
    },
    stopped: /^exit 0\n\n?mcp-pra 1/u,
    through: /attack\.so|ATTACK=x/u,
    without:
      account === 'mcp-reader'
        ? [
            { off: 'sshd: environment', so: 'through' },
            { off: 'wrapper: environment', so: 'through' },
          ]
        : [{ off: 'sshd: environment', so: 'through' }],
    cve: ['CVE-2012-3478', 'CVE-2019-3463', 'CVE-2019-3464'],
  })),
  {
    id: 'reader-x11',
    what: 'forwarding of a display',
    layer: 'sshd Match',
    attack: async (field) => {
      const client = await connect(field, 'mcp-reader');
      const answer = new Promise<string>((resolve) => {
        client.exec('uptime', { x11: true }, (error, stream) => {
          if (error !== undefined) return resolve(`refused: ${error.message}`);
          stream.on('close', () => resolve('forwarded')).resume();
        });
      });
      return await answer.finally(() => client.end());
    },
    stopped: /refused: .*X11/u,
    through: /forwarded/u,
    without: twice(/refused: .*X11/u),
  },
  ...forBoth((account, who) => ({
    id: `${who}-agent`,
    what: `forwarding of an agent with the ${who} key`,
    layer: 'sshd Match',
    attack: async (field) => {
      const client = await connect(field, account, { agent: '/nowhere', agentForward: true });
      const answer = new Promise<string>((resolve) => {
        client.exec('', { agentForward: true } as ExecOptions, (error, stream) => {
          if (error !== undefined) return resolve(`refused: ${error.message}`);
          stream.on('close', () => resolve('forwarded')).resume();
          stream.stderr.resume();
        });
      });
      return await answer.finally(() => client.end());
    },
    stopped: /refused: .*agent/u,
    through: /forwarded/u,
    without: twice(/refused: .*agent/u),
  })),
  ...forBoth((account, who) => ({
    id: `${who}-forward-socket`,
    what: `a connection to a socket of the host with the ${who} key`,
    layer: 'sshd Match',
    attack: async (field) => {
      const client = await connect(field, account);
      const answer = new Promise<string>((resolve) => {
        client.openssh_forwardOutStreamLocal('/run/dbus/system_bus_socket', (error, stream) => {
          if (error !== undefined) return resolve(`refused: ${error.message}`);
          stream.destroy();
          resolve('connected');
        });
      });
      return await answer.finally(() => client.end());
    },
    stopped: /refused: .*(?:prohibited|failed)/u,
    through: /connected/u,
    without: twice(/refused: .*(?:prohibited|failed)/u),
  })),
  ...forwarding(
    'tunnel',
    'a network tunnel (-w)',
    ['-o', 'ExitOnForwardFailure=yes', '-o', 'Tunnel=point-to-point', '-w', 'any:any'],
    /^exit 255\n/u,
    /refused \S+ LOGIN/u,
    // Only root may make the device on the host: sshd's own process for the account cannot.
    { layer: 'account', stopped: /^exit 255\n/u },
  ),
  ...forBoth((account, who) => ({
    id: `${who}-subsystem`,
    what: `a subsystem that is in no list with the ${who} key`,
    layer: 'sshd Match',
    attack: async (field) => told(await field.ask(account, 'netconf', '', ['-s'])),
    stopped: /^exit 255\n[^]*subsystem request failed/u,
    through: /^exit 0\n/u,
    without: [
      {
        off: 'sshd: open door',
        so: { layer: 'sshd Match', stopped: /^exit 255\n[^]*subsystem request failed/u },
      },
    ],
  })),
  {
    id: 'line-nul',
    what: 'a NUL in the request line',
    layer: 'sshd Match',
    attack: async (field) => {
      const client = await connect(field, 'mcp-reader');
      const ended = new Promise<string>((resolve) => {
        let seen = '';
        client
          .on('error', (error) => resolve(`refused: ${error.message}`))
          .on('close', () => resolve(`refused: closed ${seen}`));
        client.exec('uptime\0;touch attack-canary', (error, stream) => {
          if (error !== undefined) return resolve(`refused: ${error.message}`);
          stream.on('data', (data: Buffer) => (seen += data.toString()));
          stream.on('exit', (code: number) => resolve(`exit ${String(code)} ${seen}`));
        });
      });
      return await ended.finally(() => client.end());
    },
    stopped: /refused/u,
    through: /^exit/u,
    // No option of ours says so: sshd takes no string with a NUL for a command.
    without: [{ off: 'naive: eval', so: { layer: 'sshd Match', stopped: /refused/u } }],
  },
];

/** A connection whose requests are made byte by byte, which ssh(1) does not offer. */
const connect = async (field: Field, username: Account, options: ConnectConfig = {}): Promise<Client> => {
  const client = new Client();
  const ready = new Promise<void>((resolve, reject) => client.on('ready', resolve).on('error', reject));
  client.connect({
    host: field.host.address,
    username,
    privateKey: readFileSync(username === 'mcp-reader' ? field.keys.reader : field.keys.runner),
    ...options,
  });
  await ready;
  return client;
};
