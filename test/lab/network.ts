import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { capture, mustRun } from './capture.ts';

/**
 * Labs live in 198.18.0.0/15, which RFC 2544 sets aside for tests of network devices: no real network uses it.
 * Lab number n has bridge `pra<n>`, addresses 198.18.n.0/24, and .1 is ours.
 */
export const LAB_NUMBERS = 256;

/** A little more than one. */
const RETRANSMISSION_MS = 1_100;

export const bridgeName = (number: number): string => `pra${number}`;
export const labAddress = (number: number, host: number): string => `198.18.${number}.${host}`;
/** Our end of a host's link; nspawn names it. */
export const linkName = (machine: string): string => `vb-${machine}`;

export const bridgeExists = (bridge: string): boolean => existsSync(`/sys/class/net/${bridge}`);

/** True when this machine already has a way to these addresses that is not just its default route. */
export async function isAddressRangeTaken(number: number): Promise<boolean> {
  const routes = await mustRun('ip', [
    '-4',
    'route',
    'show',
    'table',
    'all',
    'match',
    `198.18.${number}.0/24`,
  ]);
  return routes.split('\n').some((route) => route !== '' && !route.startsWith('default'));
}

/** False when another lab was quicker with this bridge: creating it is the claim. */
export async function createBridge(bridge: string, gateway: string): Promise<boolean> {
  const created = await capture('ip', [
    'link',
    'add',
    'name',
    bridge,
    'type',
    'bridge',
    'forward_delay',
    '0',
  ]);
  if (created.code !== 0) {
    if (bridgeExists(bridge)) return false;
    throw new Error(`the bridge of the lab cannot be made: ${created.stderr}`);
  }
  await mustRun('ip', ['address', 'add', `${gateway}/24`, 'dev', bridge]);
  await mustRun('ip', ['link', 'set', bridge, 'up']);
  return true;
}

export async function deleteLink(name: string): Promise<void> {
  if (bridgeExists(name)) await capture('ip', ['link', 'delete', name]);
}

/** Takes a host's link down or up from outside: the host sees a pulled cable. */
export async function setLink(machine: string, up: boolean): Promise<void> {
  await mustRun('ip', ['link', 'set', linkName(machine), up ? 'up' : 'down']);
  // Whoever looked for the host's address while it was away may have asked for the last time: what is sent now would still fail with
  // that question. After one retransmission time (arp(7), retrans_time_ms) it has failed, and the next packet asks anew.
  if (up) await sleep(RETRANSMISSION_MS);
}
