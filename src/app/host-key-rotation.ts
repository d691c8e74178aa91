import { channelOptions } from './keys.ts';
import type { HostKeyRotation } from '../cli/cli-parts.ts';
import type { Log } from '../log.ts';

/** The rotation of host keys in the configured known_hosts; its code is loaded when it is first asked for. */
export const hostKeyRotation = (log: Log): HostKeyRotation => {
  const load = () => import('../ssh/host-key-rotation.ts');
  return {
    state: async (config, host) => (await load()).hostKeyState(channelOptions(config, log), host),
    trust: async (config, host, next, files) =>
      (await load()).trustNextHostKey(channelOptions(config, log), host, next, files),
    finish: async (config, host, files) =>
      (await load()).finishHostKey(channelOptions(config, log), host, files),
    abandon: async (config, host, files) =>
      (await load()).abandonHostKey(channelOptions(config, log), host, files),
  };
};
