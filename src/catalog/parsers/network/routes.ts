import type { JsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { countIn, ipObjects, textIn } from './ip-json.ts';

/** The tables that Linux looks at without being told to: local, main, default (ip-rule(8)). */
const RULES_OF_THE_KERNEL = 3;

/** `v4`, `v6`: ip -j route show table main (ip-route(8)); `rules`: ip -j rule show. */
export const routes: FactParser = (sections) => {
  const v4 = ipObjects(sections.get('v4'));
  const v6 = ipObjects(sections.get('v6'));
  const [first] = defaults(v4);
  const [first6] = defaults(v6);
  const rules = ipObjects(sections.get('rules')).length;
  return {
    count: v4.length + v6.length,
    has_default: first !== undefined || first6 !== undefined,
    default_gateway: gatewayOf(first),
    default_interface: textIn(first?.['dev']),
    default_gateway_v6: gatewayOf(first6),
    default_interface_v6: textIn(first6?.['dev']),
    further_defaults: Math.max(0, defaults(v4).length - 1) + Math.max(0, defaults(v6).length - 1),
    extra_rules: rules === 0 ? undefined : Math.max(0, rules - RULES_OF_THE_KERNEL),
    routes: [...v4.map(rowOf('inet')), ...v6.map(rowOf('inet6'))],
  };
};

/** The one that is used first has the lowest metric; one without has 0. */
const defaults = (all: readonly JsonObject[]): readonly JsonObject[] =>
  all
    .filter((route) => route['dst'] === 'default')
    .toSorted((a, b) => (countIn(a['metric']) ?? 0) - (countIn(b['metric']) ?? 0));

const gatewayOf = (route: JsonObject | undefined): string | undefined =>
  route === undefined ? undefined : (textIn(route['gateway']) ?? 'none');

const rowOf =
  (family: string) =>
  (route: JsonObject): Readonly<Record<string, unknown>> => ({
    family,
    kind: textIn(route['type']),
    destination: textIn(route['dst']),
    gateway: textIn(route['gateway']),
    interface: textIn(route['dev']),
    source: textIn(route['prefsrc']),
    metric: countIn(route['metric']),
  });
