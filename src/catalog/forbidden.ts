/** Programs that run what their arguments say, or read and write what they are told: never in a definition. */
const FORBIDDEN_PROGRAMS: ReadonlySet<string> = new Set(
  `sh bash dash zsh ksh ash csh tcsh fish rbash busybox env xargs parallel nice nohup setsid timeout stdbuf unshare nsenter chroot
  sudo su runuser setpriv doas pkexec systemd-run ssh scp sftp nc ncat socat telnet curl wget
  python python2 python3 perl ruby node lua tclsh php awk gawk mawk sed ed vi vim less more man
  find tee dd install tar zip rsync watch script expect gdb strace eval exec source`
    .split(/\s+/u)
    .filter((name) => name !== ''),
);

/** Words that make an otherwise fine program read or write files, print secrets, follow for ever or talk to another host. */
const FORBIDDEN_WORDS: Readonly<Record<string, readonly RegExp[]>> = {
  journalctl: [
    /^-[a-z]*[fDM]/u,
    /^--(?:follow|directory|file|root|image|machine|vacuum|rotate|flush|sync|cursor-file)/u,
  ],
  systemctl: [
    /^(?:status|cat|edit|show-environment|set-environment)$/u,
    /^-[a-z]*[HM]/u,
    /^--(?:host|machine|root|image)/u,
  ],
  ss: [/^-[A-Za-z0-9]*[EFDKp]/u, /^--(?:events|filter|diag|kill|processes)/u],
  ip: [/^-(?:b|batch|force)/u, /^monitor$/u],
  ps: [/^/u],
  dmesg: [/^-[A-Za-z]*[FwWCcnDE]/u, /^--(?:file|follow|clear|read-clear|console)/u],
  date: [/^-[a-z]*[fsr]/u, /^--(?:file|set|reference)/u],
  sort: [/^-[a-z]*[oT]/u, /^--(?:output|files0-from|compress-program|temporary-directory)/u],
};

const baseOf = (program: string): string => program.slice(program.lastIndexOf('/') + 1);

/** Why a command may not be in a definition; undefined when it may. Reviewing a new program is still a person's work. */
export const whyForbidden = (argv: readonly string[]): string | undefined => {
  const [program = '', ...rest] = argv;
  const base = baseOf(program);
  if (FORBIDDEN_PROGRAMS.has(base) || /^python[0-9.]*$/u.test(base)) {
    return `${base} runs or writes what it is told; write a script or a collector instead`;
  }
  const patterns = Object.hasOwn(FORBIDDEN_WORDS, base) ? (FORBIDDEN_WORDS[base] ?? []) : [];
  const bad = rest.find((word) => patterns.some((pattern) => pattern.test(word)));
  if (bad !== undefined) return `${base} must not be called with ${bad}`;
  const showsAll =
    base === 'systemctl' && rest.includes('show') && !rest.some((word) => word.startsWith('--property='));
  return showsAll ? 'systemctl show without --property= prints environments' : undefined;
};
