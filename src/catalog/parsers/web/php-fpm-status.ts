import { integerOf } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** What php-fpm tells systemd every ten seconds (sapi/fpm/fpm/fpm_systemd.c). */
const STATUS =
  /^Processes active: ([0-9]{1,9}), idle: ([0-9]{1,9}), Requests: ([0-9]{1,15}), slow: ([0-9]{1,15}),/u;

/** systemctl show of several units: blocks of `Key=value` lines with an empty line between them. */
export const phpFpmStatus: FactParser = (sections) => {
  const rows = (sections.get('show') ?? '')
    .split('\n\n')
    .map((block) => serviceOf(block))
    .filter((row) => row !== undefined);
  const sum = (column: 'active_workers' | 'idle_workers' | 'slow_requests'): number | undefined => {
    const known = rows.map((row) => row[column]).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
  };
  return {
    services: rows.length,
    running: rows.filter((row) => row.active_state === 'active').length,
    active_workers: sum('active_workers'),
    idle_workers: sum('idle_workers'),
    slow_requests: sum('slow_requests'),
    rows,
  };
};

const serviceOf = (block: string) => {
  const values = new Map(
    block.split('\n').map((line) => {
      const equals = line.indexOf('=');
      return [line.slice(0, Math.max(equals, 0)), line.slice(equals + 1)] as const;
    }),
  );
  const id = values.get('Id');
  if (id === undefined || values.get('LoadState') !== 'loaded') return undefined;
  const [, active, idle, requests, slow] = STATUS.exec(values.get('StatusText') ?? '') ?? [];
  return {
    service: id,
    active_state: values.get('ActiveState'),
    sub_state: values.get('SubState'),
    restarts: integerOf(values.get('NRestarts')),
    active_workers: integerOf(active),
    idle_workers: integerOf(idle),
    requests: integerOf(requests),
    slow_requests: integerOf(slow),
    memory_bytes: integerOf(values.get('MemoryCurrent')),
    tasks: integerOf(values.get('TasksCurrent')),
  };
};
