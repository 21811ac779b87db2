'use strict';
/**
 * Fair use: counts each service's traffic against its allowance, and tells when it comes close and when it is used up.
 *
 * 1. A record is counted once: its `dedupe_key` is kept with the count, in one write.
 * 2. What is told is written down after it was told. Killed in between, the plugin tells it again: twice is better than never.
 * 3. Records of one service wait for each other; those of different services do not.
 */

const { serve } = require('./protocol.js');

const GB = 1e9;
const REMEMBERED_RECORDS = 100;
const COUNTERS = { both: ['in_octets', 'out_octets'], download: ['out_octets'], upload: ['in_octets'] };

class FairUse {
  static methods = {
    count: ['record'],
    reset: ['notice'],
    set_allowance: ['service_id', 'gb'],
    usage: ['service_id'],
  };

  constructor(host) {
    this.host = host;
    this.queues = new Map();
  }

  initialize(config) {
    this.configure(config);
  }

  configure(config) {
    const { allowance_gb: allowance = 1000, thresholds = [80, 95], direction = 'both', policy = 'throttle', coa = {} } = config;
    const wrong = thresholds.filter((percent) => !(percent > 0 && percent < 100));
    if (wrong.length) throw new Error(`thresholds: expected percents between 0 and 100, got ${wrong.join(', ')}`);
    this.config = { allowance, thresholds: [...thresholds].sort((a, b) => a - b), counters: COUNTERS[direction], policy, coa };
  }

  healthCheck() {
    return { status: 'healthy', checks: [{ name: 'queues', status: 'pass', message: `${this.queues.size} services are being counted` }] };
  }

  /** A usage record arrived. */
  count(record) {
    return this.inTurn(record.service_id, async (state) => {
      if (!state.seen.includes(record.dedupe_key)) {
        state.used += this.config.counters.reduce((sum, name) => sum + (record.counters?.[name] ?? 0), 0);
        if (record.dedupe_key !== undefined) state.seen = [...state.seen, record.dedupe_key].slice(-REMEMBERED_RECORDS);
        await this.save(record.service_id, state);
      }
      await this.tell(record.service_id, state);
      return this.shown(state);
    });
  }

  /** A service's period begins anew; what it was told, it may be told again. */
  reset({ service_id: id }) {
    return this.inTurn(id, async (state) => {
      await this.save(id, { ...state, used: 0, told: [] });
      return null;
    });
  }

  /** For operators: another allowance for one service; null for the configured one. */
  set_allowance(id, gb) {
    if (gb !== null && !(typeof gb === 'number' && gb > 0)) throw new RangeError(`gb: expected a number above 0, or null for the configured allowance, got ${gb}`);
    return this.inTurn(id, async (state) => {
      const changed = { ...state, allowance: gb, told: state.told.filter((percent) => percent <= this.percent({ ...state, allowance: gb })) };
      await this.save(id, changed);
      return this.shown(changed);
    });
  }

  /** For operators: what a service used. */
  usage(id) {
    return this.inTurn(id, async (state) => this.shown(state));
  }

  /** Dispatches what has not been told of this period yet, the lowest threshold first. */
  async tell(id, state) {
    const percent = this.percent(state);
    for (const due of [...this.config.thresholds, 100].filter((one) => one <= percent && !state.told.includes(one))) {
      await this.host.emit(...this.notice(id, state, due));
      state.told = [...state.told, due];
      await this.save(id, state);
      console.info('Service %s used %d %% of its allowance', id, Math.round(percent));
    }
  }

  notice(id, state, due) {
    const shared = { service_id: id, customer_id: null };
    if (due === 100) return ['quota_exceeded', { ...shared, policy: this.config.policy, coa: this.config.coa }];
    return ['quota_threshold_reached', { ...shared, percent: due, used: state.used, limit: this.limit(state) }];
  }

  limit(state) { return Math.round((state.allowance ?? this.config.allowance) * GB); }
  percent(state) { return (100 * state.used) / this.limit(state); }
  shown(state) { return { used: state.used, limit: this.limit(state), percent: Math.round(this.percent(state) * 10) / 10 }; }
  save(id, state) { return this.host.set(`service/${id}`, state); }

  /** Runs the work with the service's stored state, after all work on this service that came before. */
  inTurn(id, work) {
    if (typeof id !== 'string' && typeof id !== 'number') throw new TypeError(`service_id: expected a number or text, got ${JSON.stringify(id)}`);
    const before = this.queues.get(String(id)) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(async () => {
      const stored = await this.host.get(`service/${id}`);
      return work({ used: 0, allowance: null, told: [], seen: [], ...stored });
    });
    this.queues.set(String(id), turn);
    const leave = () => { if (this.queues.get(String(id)) === turn) this.queues.delete(String(id)); };
    turn.then(leave, leave);
    return turn;
  }
}

serve(FairUse, { name: 'fair_use_node', version: '1.0.0' });
