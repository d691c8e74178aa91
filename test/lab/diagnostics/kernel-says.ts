import type { LabHost } from '../lab.ts';

/**
 * What journald takes for the log of the kernel: a container has no /dev/kmsg, and journald reads the one it finds when it starts.
 * It is only there while a holder keeps it open: whoever opens a pipe waits for somebody at the other end, and systemd itself may open this one.
 */
export const kernelSays = async (host: LabHost, messages: readonly string[]): Promise<void> => {
  await host.sh(
    'mkfifo /dev/lab-kmsg; systemd-run --quiet --collect --unit=lab-kmsg sh -c "exec 3<>/dev/lab-kmsg; : >/run/lab-kmsg; exec sleep infinity"; until [ -e /run/lab-kmsg ]; do :; done; mv /dev/lab-kmsg /dev/kmsg; systemctl restart systemd-journald',
  );
  // Each record has a number above all before it, or journald takes it for one that it has read (dev-kmsg of the kernel's ABI documents).
  const say = (priority: number, text: string): string =>
    `printf '${String(priority)},%s,1,-;%s\\n' "$(date +%s%N)" '${text}' >/dev/kmsg`;
  const heard = (text: string): string =>
    `journalctl --quiet --output=cat _TRANSPORT=kernel | grep -qxF '${text}'`;
  // journald's own first words come back to it this way: a message behind them would be read with them, and lost.
  await host.sh(`until ${heard('drained')}; do ${say(7, 'drained')}; done`);
  for (const message of messages) await host.sh(`${say(3, message)}; until ${heard(message)}; do :; done`);
  await host.sh(
    'rm /dev/kmsg /run/lab-kmsg; systemctl restart systemd-journald; systemctl stop lab-kmsg.service',
  );
};
