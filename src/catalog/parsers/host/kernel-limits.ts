import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `values`: grep -H . over files of /proc/sys (the kernel's Documentation/admin-guide/sysctl) and /proc/loadavg. */
export const kernelLimits: FactParser = (sections) => {
  const values = new Map(
    outputLines(sections.get('values') ?? '').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), words(line.slice(colon + 1))] as const;
    }),
  );
  const value = (path: string, column = 0): number | undefined => integerOf(values.get(path)?.[column]);
  const tasks = integerOf(values.get('/proc/loadavg')?.[3]?.split('/')[1]);
  const most = [value('/proc/sys/kernel/pid_max'), value('/proc/sys/kernel/threads-max')].filter(
    (found) => found !== undefined,
  );
  const limits = [
    { name: 'open_files', used: value('/proc/sys/fs/file-nr'), max: value('/proc/sys/fs/file-nr', 2) },
    {
      name: 'conntrack',
      used: value('/proc/sys/net/netfilter/nf_conntrack_count'),
      max: value('/proc/sys/net/netfilter/nf_conntrack_max'),
    },
    { name: 'tasks', used: tasks, max: most.length === 0 ? undefined : Math.min(...most) },
    { name: 'aio', used: value('/proc/sys/fs/aio-nr'), max: value('/proc/sys/fs/aio-max-nr') },
  ]
    .flatMap(({ name, used, max }) =>
      used === undefined || max === undefined || max <= 0
        ? []
        : [{ name, used, max, used_percent: Math.round((1_000 * used) / max) / 10 }],
    )
    .toSorted((a, b) => b.used_percent - a.used_percent);
  const found = (name: string) => limits.find((limit) => limit.name === name);
  return {
    nearest_limit: limits[0]?.name,
    nearest_percent: limits[0]?.used_percent,
    open_files: found('open_files')?.used,
    open_files_max: found('open_files')?.max,
    conntrack: found('conntrack')?.used,
    conntrack_max: found('conntrack')?.max,
    tasks: found('tasks')?.used,
    tasks_max: found('tasks')?.max,
    inodes_cached: value('/proc/sys/fs/inode-nr'),
    limits,
    inotify_watches_per_user: value('/proc/sys/fs/inotify/max_user_watches'),
    inotify_instances_per_user: value('/proc/sys/fs/inotify/max_user_instances'),
    max_map_count: value('/proc/sys/vm/max_map_count'),
  };
};
