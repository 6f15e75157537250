/** The failover bench: what do clients see of a node that dies, hangs, fails or slows down? */
import { drawChart } from '../chart.js';
import { linePanel } from '../chart-lines.js';
import { atMost, type Bench, type Criterion, round } from '../report.js';
import { type Failover, load, measureFailover, type Scenario, sizes } from './failover-measure.js';
import {
  endOf,
  faultAt,
  noticedOf,
  recoveryOf,
  showRecovery,
  signIns,
} from './failover-recovery.js';
import { isFailed, isPutOff, mix } from './people.js';
import { latencies, series, showCodes, summarise } from './samples.js';

const stepMs = 500;
const mostRecoverySeconds = 1;

const whole = (scenario: Scenario) =>
  summarise(scenario.samples, { fromMs: 0, toMs: endOf(scenario) });

const failedOf = ({ samples }: Scenario): number => samples.filter(isFailed).length;
const slowestOf = (scenario: Scenario): number => Math.max(...latencies(signIns(scenario)));

/** Never is null. */
const finite = (ms: number) => (Number.isFinite(ms) ? round(ms, 0) : null);
const roundTime = (ms: number | undefined) => (ms === undefined ? null : round(ms, 0));

const describe = (scenario: Scenario) => {
  const { sent, codes } = whole(scenario);
  const people = signIns(scenario);
  const { p50Ms, p99Ms } = summarise(people, { fromMs: 0, toMs: endOf(scenario) });
  const before = summarise(people, { fromMs: 0, toMs: faultAt(scenario) });
  const recovery = recoveryOf(scenario);
  return {
    sent,
    failed: failedOf(scenario),
    registrations_put_off: scenario.samples.filter(isPutOff).length,
    codes,
    before_p99_ms: round(before.p99Ms, 1),
    p50_ms: round(p50Ms, 1),
    p99_ms: round(p99Ms, 1),
    slowest_ms: round(slowestOf(scenario), 1),
    breaker_open_ms: roundTime(scenario.openMs),
    no_longer_chosen_ms: roundTime(scenario.avoidedMs),
    failures_at_edge: scenario.failuresAtEdge,
    attempts_per_request: round(scenario.attemptsPerRequest),
    recovery_ms: finite(recovery.ms),
    recovery_samples_per_second: round(recovery.perSecond, 0),
    noticed_ms: round(noticedOf(scenario), 0),
    marks: scenario.marks.map(({ at, label }) => ({ at_ms: round(at, 0), label })),
  };
};

const judgeOpening = ({ name, openMs, failuresAtEdge }: Scenario): Criterion => ({
  name: `${name}: breaker open at every edge after ms (or failures at each)`,
  target: '≤ 1000 (or ≤ 5)',
  measured: round(openMs ?? Number.POSITIVE_INFINITY, 0),
  pass: openMs !== undefined && (openMs <= 1000 || failuresAtEdge <= 5),
});

const judgeFault = (scenario: Scenario): Criterion[] => {
  const { name } = scenario;
  const share = failedOf(scenario) / scenario.samples.length;
  if (name === 'kill -9')
    return [
      atMost(`${name}: failed requests`, failedOf(scenario), 0),
      atMost(`${name}: recovery, s`, recoveryOf(scenario).ms / 1000, mostRecoverySeconds),
    ];
  if (name === 'SIGSTOP')
    return [
      atMost(`${name}: slowest answer, ms`, slowestOf(scenario), 2500),
      judgeOpening(scenario),
    ];
  if (name === 'fast-failing')
    return [atMost(`${name}: errors, %`, 100 * share, 0.3), judgeOpening(scenario)];
  return [];
};

const judge = (scenario: Scenario): Criterion[] => [
  ...judgeFault(scenario),
  atMost(`${scenario.name}: attempts per request`, scenario.attemptsPerRequest, 1.1),
];

const judgeAll = ({ scenarios, proof, balance }: Failover): Criterion[] => [
  ...scenarios.flatMap(judge),
  atMost('attempts executed with two results', proof.contradicted, 0),
  atMost('requests audited twice', proof.auditedTwice, 0),
  atMost('answers without a session of the account', balance.missing, 0),
  atMost('sessions without an answer', balance.extra, 0),
  atMost('answers that the audit does not know', balance.unaudited, 0),
];

const rowOf = (scenario: Scenario): string[] => {
  const found = describe(scenario);
  return [
    scenario.name,
    String(found.sent),
    String(found.failed),
    ...[found.before_p99_ms, found.p99_ms, found.slowest_ms].map((ms) => ms.toFixed(0)),
    [found.no_longer_chosen_ms, found.breaker_open_ms, found.failures_at_edge]
      .map((figure) => figure ?? '–')
      .join(', '),
    showRecovery(recoveryOf(scenario)),
    found.noticed_ms.toFixed(0),
    found.attempts_per_request.toFixed(3),
    showCodes(found.codes),
  ];
};

const panelOf = (scenario: Scenario) => {
  const steps = series(signIns(scenario), stepMs);
  const failed = series(scenario.samples.filter(isFailed), stepMs).map(({ fromMs, sent }) => ({
    x: fromMs / 1000,
    y: sent,
  }));
  const points = (pick: (step: (typeof steps)[number]) => number) =>
    steps.map((step) => ({ x: step.fromMs / 1000, y: pick(step) }));
  return linePanel({
    title: `${scenario.name}: latency, and requests that failed`,
    axis: 'ms (p99, p50); failed per half second',
    lines: [
      { name: 'p99', points: points((step) => step.p99Ms) },
      { name: 'p50', points: points((step) => step.p50Ms) },
      { name: 'failed', points: failed },
    ],
    marks: scenario.marks.map(({ at, label }) => ({ x: at / 1000, label })),
  });
};

export const failover: Bench = {
  about: 'one node of three is killed, hangs, fails at once or slows down: what clients see',
  run: async (options) => {
    const found = await measureFailover(options);
    const { capacity, perSecond, scenarios, proof, balance } = found;
    return {
      parameters: {
        nodes: 3,
        load,
        mix,
        calm_ms: sizes.calmMs,
        fault_ms: options.durationSeconds * 600,
      },
      results: {
        capacity_of_two: round(capacity, 1),
        offered: round(perSecond, 1),
        scenarios: Object.fromEntries(scenarios.map((one) => [one.name, describe(one)])),
        sessions: balance,
        proof: { ...proof, errors: proof.errors.length, first_errors: proof.errors.slice(0, 5) },
      },
      criteria: judgeAll(found),
      tables: [
        {
          title: `Two nodes alone: ${capacity.toFixed(0)} logins/s; offered ${perSecond.toFixed(0)} requests/s, open loop`,
          head: [
            'fault',
            'sent',
            'failed',
            'p99 before',
            'p99',
            'slowest ms',
            'avoided, open after ms, failures',
            'recovery s (sign-ins a second, of faults)',
            'noticed for ms',
            'attempts',
            'codes',
          ],
          rows: scenarios.map(rowOf),
        },
        {
          title: 'What the logs prove',
          head: [
            'attempts',
            'executed twice',
            'with two results',
            'sign-ins',
            'audited twice',
            'answers, without a session',
            'sessions without an answer',
          ],
          rows: [
            [
              proof.attempts,
              proof.repeated,
              proof.contradicted,
              proof.audited,
              proof.auditedTwice,
              `${balance.answers}, ${balance.missing}`,
              balance.extra,
            ].map(String),
          ],
        },
      ],
      chart: drawChart({
        heading: 'A node fails',
        notes: [
          `Three nodes; Poisson arrivals at ${load} of what two of them do alone; times of right passwords.`,
        ],
        panels: scenarios.map(panelOf),
      }),
    };
  },
};
