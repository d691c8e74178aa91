/**
 * Shell: a filesystem of its own and 200 inodes at /srv/<name>, on /run/lab-<name>: `umount` takes both. An overlay, because df leaves out a
 * plain tmpfs.
 */
export const smallDisk = (name: string, megabytes = 8): string => {
  const [mount, parts] = [`/srv/${name}`, `/run/lab-${name}`];
  return `mkdir -p ${mount} ${parts} && mount -t tmpfs -o size=${String(megabytes)}m,nr_inodes=200 tmpfs ${parts} && mkdir ${parts}/l ${parts}/u ${parts}/w && mount -t overlay -o lowerdir=${parts}/l,upperdir=${parts}/u,workdir=${parts}/w ${name} ${mount}`;
};
