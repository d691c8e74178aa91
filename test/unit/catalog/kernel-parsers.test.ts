import { describe, expect, test } from 'vitest';
import { parsers } from '../../../src/catalog/parsers/registry.ts';

// What the recordings of the virtual machine do not show: hardware that it has not, and answers that are not whole.
const read = (
  parser: string,
  sections: Readonly<Record<string, string>>,
  codes: Readonly<Record<string, number>> = {},
) => parsers.get(parser)?.(new Map(Object.entries(sections)), new Map(Object.entries(codes)));

describe('kernel_errors', () => {
  test('memory controllers are added up, and a disk with failed commands is named', () => {
    const counters =
      'scsi sda 0\nscsi sdb 255\nedac_corrected mc0 3\nedac_corrected mc1 4\nedac_uncorrected mc0 0\nmce all 0\n';
    expect(read('kernel_errors', { counters }, { counters: 0 })).toMatchObject({
      scsi_errors: 255,
      scsi_devices: 'sdb',
      memory_corrected: 7,
      memory_uncorrected: 0,
      machine_checks: 0,
      ext4_errors: undefined,
      ext4_devices: undefined,
    });
  });

  test('what the helper said before it failed is not taken for all', () => {
    expect(read('kernel_errors', { counters: 'ext4 vda1 0\n' }, { counters: 1 })).toMatchObject({
      ext4_errors: undefined,
    });
  });
});

test('remote_mounts: a helper that failed does not mean that nothing is mounted', () => {
  expect(read('remote_mounts', { probes: '' }, { probes: 1 })).toEqual({});
  expect(read('remote_mounts', { probes: '' }, { probes: 0 })).toMatchObject({ mounted: 0, troubled: 0 });
});
