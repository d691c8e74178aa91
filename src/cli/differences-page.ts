import type { Difference } from '../request/compare-hosts.ts';
import type { LookReport } from '../request/desk.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

/** A table with a row a fact and a column a host; a star for whoever is unlike the rest. */
export const differencesPage = (
  page: Page,
  { results, summary }: LookReport,
  differences: readonly Difference[],
): void => {
  const hosts = results.filter(({ status }) => status === 'ok').map(({ host }) => host);
  const rows = differences.map(({ fact, values, unlike }) => [
    fact,
    ...hosts.map((host) => {
      const found = values.find((one) => one.host === host);
      if (found === undefined) return say('look.absent');
      const text = oneLine(String(found.value));
      return unlike.some((one) => one.host === host) ? `${text} *` : text;
    }),
  ]);
  if (rows.length === 0) page.line(say('look.no_differences'));
  else page.table([['', ...hosts], ...rows]);
  for (const { host, status } of results)
    if (status !== 'ok') page.line(say('look.not_compared', { host, status }));
  page.line().line(summary);
};
