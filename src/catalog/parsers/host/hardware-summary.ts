import { integerOf, outputLines } from '../../output-lines.ts';
import { jsonOf, listOf, memberOf, numberOf, textOf } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { dmiOf } from './dmi.ts';
import { topologyOf } from './topology.ts';

/** `dmi`: /sys/class/dmi/id; `model`: of /proc/cpuinfo; `topology`: lscpu; `memory`: lsmem --bytes; `disks`: lsblk --json. */
export const hardwareSummary: FactParser = (sections) => {
  const dmi = dmiOf(sections.get('dmi'));
  const { cpus, cores, sockets, nodes } = topologyOf(sections.get('topology'));
  const online = outputLines(sections.get('memory') ?? '')
    .map((line) => /^Total online memory: +([0-9]+)$/u.exec(line.trim())?.[1])
    .find((bytes) => bytes !== undefined);
  const disks = listOf(jsonOf(sections.get('disks')), 'blockdevices')
    .filter((disk) => textOf(disk, 'type') === 'disk' && (numberOf(disk, 'size') ?? 0) > 0)
    .map((disk) => ({
      name: textOf(disk, 'name'),
      size_bytes: numberOf(disk, 'size'),
      rotates: memberOf(disk, 'rota'),
      transport: textOf(disk, 'tran'),
      model: textOf(disk, 'model')?.trim(),
    }));
  return {
    vendor: dmi.get('sys_vendor'),
    product: dmi.get('product_name'),
    board: dmi.get('board_name'),
    firmware: ['bios_vendor', 'bios_version', 'bios_date']
      .map((name) => dmi.get(name))
      .filter((value) => value !== undefined)
      .join(' '),
    cpu_model: sections.get('model')?.split(':')[1]?.trim(),
    cpus,
    cores,
    sockets,
    numa_nodes: nodes,
    memory_bytes: integerOf(online),
    disks: sections.get('disks') === '' ? undefined : disks.length,
    disk_bytes: disks.reduce((total, { size_bytes: bytes }) => total + (bytes ?? 0), 0),
    disk_list: disks,
  };
};
