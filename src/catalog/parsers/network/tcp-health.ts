import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** Facts by the kernel's counter (proc_net_snmp and netstat of the kernel's documentation); each is given since boot and for the interval. */
const COUNTERS = {
  segments_sent: 'Tcp.OutSegs',
  retransmitted: 'Tcp.RetransSegs',
  failed_attempts: 'Tcp.AttemptFails',
  resets_received: 'Tcp.EstabResets',
  resets_sent: 'Tcp.OutRsts',
  listen_overflows: 'TcpExt.ListenOverflows',
  listen_drops: 'TcpExt.ListenDrops',
  timeouts: 'TcpExt.TCPTimeouts',
  syn_retransmits: 'TcpExt.TCPSynRetrans',
  aborted_on_memory: 'TcpExt.TCPAbortOnMemory',
  backlog_drops: 'TcpExt.TCPBacklogDrop',
} as const;

/** `before`, `after`: /proc/uptime, /proc/net/snmp and /proc/net/netstat; `queues`: ss -H -l -n -t. */
export const tcpHealth: FactParser = (sections) => {
  const [before, after] = [lookOf(sections.get('before')), lookOf(sections.get('after'))];
  const now = Object.fromEntries(
    Object.entries(COUNTERS).map(([fact, name]) => [
      fact,
      difference(after.counters.get(name), before.counters.get(name)),
    ]),
  );
  const total = Object.fromEntries(
    Object.entries(COUNTERS).map(([fact, name]) => [`${fact}_since_boot`, after.counters.get(name)]),
  );
  const queues = queuesOf(sections.get('queues'));
  const [fullest] = queues;
  const elapsed = difference(after.uptime, before.uptime);
  return {
    ...now,
    ...total,
    interval_seconds: elapsed === undefined ? undefined : Math.round(elapsed * 100) / 100,
    retransmitted_permille: permille(now['retransmitted'], now['segments_sent']),
    retransmitted_permille_since_boot: permille(
      total['retransmitted_since_boot'],
      total['segments_sent_since_boot'],
    ),
    fullest_queue_port: fullest?.port,
    fullest_queue_percent: fullest?.percent,
    queues: queues.filter(({ queued }) => queued > 0),
  };
};

interface Look {
  readonly uptime: number | undefined;
  readonly counters: ReadonlyMap<string, number>;
}

/** `Tcp: name name …` and then `Tcp: value value …`. */
const lookOf = (text: string | undefined): Look => {
  const lines = outputLines(text ?? '').map(words);
  const counters = new Map<string, number>();
  lines.forEach(([kind = '', ...names], index) => {
    const [next, ...values] = lines[index + 1] ?? [];
    if (next !== kind || !/^[A-Za-z]/u.test(names[0] ?? '')) return;
    names.forEach((name, at) => {
      const value = integerOf(values[at]);
      if (value !== undefined && value >= 0) counters.set(`${kind.slice(0, -1)}.${name}`, value);
    });
  });
  return { uptime: decimalOf(lines[0]?.[0]), counters };
};

const queuesOf = (text: string | undefined) =>
  outputLines(text ?? '')
    .flatMap((line) => {
      const [state, queued, limit, local = ''] = words(line);
      const colon = local.lastIndexOf(':');
      const port = integerOf(local.slice(colon + 1));
      const [waiting, most] = [integerOf(queued), integerOf(limit)];
      if (
        state !== 'LISTEN' ||
        port === undefined ||
        waiting === undefined ||
        most === undefined ||
        most <= 0
      )
        return [];
      const percent = Math.round((100 * waiting) / most);
      return [{ port, address: local.slice(0, colon), queued: waiting, limit: most, percent }];
    })
    .toSorted((a, b) => b.percent - a.percent || a.port - b.port);

/** Undefined when one is not known, or the counter was set back. */
const difference = (after: number | undefined, before: number | undefined): number | undefined =>
  after === undefined || before === undefined || after < before ? undefined : after - before;

const permille = (part: number | undefined, whole: number | undefined): number | undefined =>
  part === undefined || whole === undefined || whole <= 0 ? undefined : Math.round((1_000 * part) / whole);
