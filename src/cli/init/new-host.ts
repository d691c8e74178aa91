import { isIPv6 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { say } from '../say.ts';

/** A host given as `name=address[:port]`. */
export interface NewHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** For a repeatable option. An IPv6 address with a port is written in brackets. */
export const collectHost = (word: string, before: readonly NewHost[] = []): readonly NewHost[] => {
  const [, name, rest = ''] = /^([a-z0-9][a-z0-9.-]{0,62})=(\S+)$/u.exec(word) ?? [];
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?$/u.exec(rest) ?? [];
  const address = isIPv6(rest) ? rest : (bracketed ?? plain);
  const port = Number(digits ?? 22);
  if (name === undefined || address === undefined || port < 1 || port > 65_535)
    throw new InvalidArgumentError(say('init.host_form'));
  return [...before, { name, address, port }];
};
