import { jsonOf, listOf, textOf } from '../json-output.ts';
import type { FactParser } from '../parser.ts';

/** What the kernel makes up (findmnt --pseudo, as far as hosts have it); tmpfs and overlays are kept, since they hold files. */
const PSEUDO = new Set(
  `proc sysfs cgroup cgroup2 devtmpfs devpts mqueue debugfs tracefs securityfs pstore bpf configfs fusectl hugetlbfs
  efivarfs binfmt_misc autofs rpc_pipefs nsfs selinuxfs ramfs nfsd`.split(/\s+/u),
);

interface Mount {
  readonly target: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: string;
}

/** findmnt --json --list (findmnt(8)): of the kernel, of fstab, and of both those with an option. */
export const mounts: FactParser = (sections, codes) => {
  const mounted = mountsOf(sections.get('mounted'));
  const readOnly = targetsOf(sections.get('read_only'));
  const noauto = targetsOf(sections.get('fstab_noauto'));
  const meantReadOnly = targetsOf(sections.get('fstab_read_only'));
  const wanted = mountsOf(sections.get('fstab')).filter(({ target }) => target.startsWith('/'));
  // The last mount on a mount point is the one that is seen.
  const seen = new Map(mounted.map((mount) => [mount.target, mount]));
  const fstab = wanted.map(({ target, source, fstype }) => {
    const now = seen.get(target);
    const turned = now !== undefined && readOnly.has(target) && !meantReadOnly.has(target);
    const state =
      now === undefined
        ? noauto.has(target)
          ? 'not_automatic'
          : 'missing'
        : turned
          ? 'turned_read_only'
          : isOther(source, now)
            ? 'other_source'
            : 'mounted';
    return { target, source, fstype, state };
  });
  const inFstab = new Set(wanted.map(({ target }) => target));
  const real = mounted.filter(
    ({ target, fstype }) => !PSEUDO.has(fstype) && !/^\/(?:proc|sys)\//u.test(target),
  );
  // findmnt of fstab ends with 1 when there is no entry; another program's failure is no empty fstab.
  const isKnown = mounted.length > 0 && (codes.get('fstab') ?? 0) <= 1;
  const [missing, turned, other] = (['missing', 'turned_read_only', 'other_source'] as const).map((state) =>
    fstab.filter((entry) => entry.state === state).map(({ target }) => target),
  );
  return {
    mounted: mounted.length > 0 ? real.length : undefined,
    missing: isKnown ? missing?.length : undefined,
    missing_targets: isKnown ? missing?.join(' ') || 'none' : undefined,
    turned_read_only: isKnown ? turned?.length : undefined,
    turned_read_only_targets: isKnown ? turned?.join(' ') || 'none' : undefined,
    other_source: isKnown ? other?.length : undefined,
    fstab,
    mounts: real.map(({ target, source, fstype, options }) => ({
      target,
      source,
      fstype,
      read_only: readOnly.has(target),
      in_fstab: inFstab.has(target),
      options,
    })),
  };
};

/** Only a device path can be compared: UUIDs and labels are resolved by what mounts them. A mapper's name may be its node's. */
const isOther = (source: string, now: Mount): boolean =>
  /^\/dev\/(?!mapper\/|disk\/)/u.test(source) &&
  /^\/dev\/(?!mapper\/|dm-)/u.test(now.source) &&
  source.replace(/\[.*$/u, '') !== now.source.replace(/\[.*$/u, '') &&
  // A volume is written by group and name, and mounted by its mapper.
  !/^\/dev\/[^/]+\/[^/]+$/u.test(source);

const mountsOf = (text: string | undefined): readonly Mount[] =>
  listOf(jsonOf(text), 'filesystems').flatMap((entry) => {
    const target = textOf(entry, 'target');
    if (target === undefined) return [];
    return [
      {
        target,
        source: textOf(entry, 'source') ?? '',
        fstype: textOf(entry, 'fstype') ?? '',
        options: textOf(entry, 'vfs-options') ?? '',
      },
    ];
  });

const targetsOf = (text: string | undefined): ReadonlySet<string> =>
  new Set(mountsOf(text).map(({ target }) => target));
