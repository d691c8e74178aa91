import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `sockstat`: /proc/net/sockstat and sockstat6, `KIND: name value …` a line (proc_pid_net(5)); `limits`: tcp_mem and tcp_max_orphans (tcp(7)). */
export const socketSummary: FactParser = (sections) => {
  const counts = new Map<string, number>();
  for (const line of outputLines(sections.get('sockstat') ?? '')) {
    const [kind = '', ...pairs] = words(line);
    pairs.forEach((name, index) => {
      const value = integerOf(pairs[index + 1]);
      if (index % 2 === 0 && value !== undefined) counts.set(`${kind}${name}`, value);
    });
  }
  const [memory = '', orphans = ''] = outputLines(sections.get('limits') ?? '');
  const [used, limit] = [counts.get('TCP:mem'), integerOf(words(memory)[2])];
  return {
    sockets: counts.get('sockets:used'),
    tcp: counts.get('TCP:inuse'),
    tcp6: counts.get('TCP6:inuse'),
    tcp_allocated: counts.get('TCP:alloc'),
    tcp_orphans: counts.get('TCP:orphan'),
    tcp_orphans_limit: integerOf(orphans.trim()),
    tcp_time_wait: counts.get('TCP:tw'),
    tcp_memory_pages: used,
    tcp_memory_limit_pages: limit,
    tcp_memory_percent:
      used === undefined || limit === undefined || limit <= 0 ? undefined : Math.round((100 * used) / limit),
    udp: counts.get('UDP:inuse'),
    udp6: counts.get('UDP6:inuse'),
    udp_memory_pages: counts.get('UDP:mem'),
    raw: counts.get('RAW:inuse'),
  };
};
