import { rowAbout } from './desk-rows.ts';
import { targetWarnings } from '../messages/target-en.ts';
import type { Store } from './ports.ts';
import type { StoredRequest } from './types.ts';

const ROW = 'HOST_WARNING';

/** A warning of a host about a request, in our words. */
export interface HostWarning {
  readonly code: keyof typeof targetWarnings;
  readonly text: string;
}

const known = (code: unknown): HostWarning['code'] =>
  Object.keys(targetWarnings).find((one): one is HostWarning['code'] => one === code) ?? 'OTHER';

/** What a host has warned of, each once, in the order in which it came. */
export const warningsAbout = (store: Pick<Store, 'rowsAbout'>, id: string): readonly HostWarning[] =>
  store.rowsAbout(id, ROW).map(({ detail }) => {
    const code = known(detail?.['warning']);
    return { code, text: targetWarnings[code] };
  });

/** Writes a warning down, once for each request: the ledger is where it is kept. */
export const noteWarning = (
  store: Pick<Store, 'append' | 'rowsAbout'>,
  about: Pick<StoredRequest, 'id' | 'host' | 'action'>,
  said: string,
): void => {
  const code = known(said);
  if (warningsAbout(store, about.id).some((warning) => warning.code === code)) return;
  store.append(rowAbout(about, undefined, 'note', ROW, { warning: code }));
};
