import { jsonOf, listOf, memberOf, numberOf, textOf } from '../json-output.ts';
import type { FactParser } from '../parser.ts';

interface Device {
  readonly name: string;
  readonly parent: string | undefined;
  readonly kind: string | undefined;
  readonly size_bytes: number | undefined;
  readonly read_only: boolean;
  readonly rotates: boolean;
  readonly filesystem: string | undefined;
  readonly mounted_at: string | undefined;
  readonly model: string | undefined;
}

/** Levels of devices on devices that are looked at. */
const DEPTH = 12;

/** lsblk --json --bytes (lsblk(8)): a tree of `blockdevices` with `children`. A device on two others (raid) comes twice. */
export const blockDevices: FactParser = (sections) => {
  const roots = listOf(jsonOf(sections.get('devices')), 'blockdevices');
  const devices = roots.flatMap((root) => devicesOf(root, undefined, DEPTH));
  // Drives without a medium have no size.
  const disks = devices.filter(({ kind, size_bytes: size }) => kind === 'disk' && size !== 0);
  const parents = new Set(devices.map(({ parent }) => parent));
  const unused = disks.filter(
    ({ name, filesystem, mounted_at: mounted }) =>
      !parents.has(name) && filesystem === undefined && mounted === undefined,
  );
  const names = (found: readonly Device[]): string =>
    [...new Set(found.map(({ name }) => name))].join(' ') || 'none';
  return {
    disks: disks.length,
    disk_bytes: disks.reduce((sum, { size_bytes: size }) => sum + (size ?? 0), 0),
    unused_disks: names(unused),
    read_only: names(devices.filter((device) => device.read_only)),
    devices,
  };
};

const devicesOf = (node: unknown, parent: string | undefined, depth: number): readonly Device[] => {
  const name = textOf(node, 'name');
  if (name === undefined || depth === 0) return [];
  const mounted = listOf(node, 'mountpoints').filter((point) => typeof point === 'string');
  const device: Device = {
    name,
    parent,
    kind: textOf(node, 'type'),
    size_bytes: numberOf(node, 'size'),
    read_only: isTrue(memberOf(node, 'ro')),
    rotates: isTrue(memberOf(node, 'rota')),
    filesystem: textOf(node, 'fstype'),
    mounted_at: mounted.join(' ') || undefined,
    model: textOf(node, 'model')?.trim(),
  };
  return [device, ...listOf(node, 'children').flatMap((child) => devicesOf(child, name, depth - 1))];
};

/** Older versions write "1". */
const isTrue = (value: unknown): boolean => value === true || value === '1';
