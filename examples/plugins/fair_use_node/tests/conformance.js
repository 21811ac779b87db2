'use strict';
/** The conformance plugin of docs/protocol.md on protocol.js: what `isp-plugins protocol test -- node conformance.js` runs. */

const { setTimeout: pause } = require('node:timers/promises');

const { serve, Reject } = require('../protocol.js');

class Conformance {
  static methods = Object.fromEntries(
    ['echo', 'repeat', 'odd', 'fail', 'reject', 'slow', 'store', 'fetch', 'redispatch', 'say', 'configuration'].map((name) => [name, ['payload']]),
  );

  static hooks = [{ hook: 'conformance', type: 'action', method: 'echo' }];

  constructor(host) {
    this.host = host;
  }

  initialize(config) {
    if ('refuse' in config) throw new Error(config.refuse);
    this.config = config;
  }

  configure(config) {
    this.initialize(config);
  }

  testConnection() { return { ok: true }; }
  echo(payload) { return payload; }
  repeat({ text, times }) { return text.repeat(times); }
  odd() { return new Map(); }
  fail({ message }) { throw new TypeError(message); }
  reject({ reason }) { throw new Reject(reason); }
  async slow({ ms }) { await pause(ms); }
  async store({ key, value }) { await this.host.set(key, value); }
  fetch({ key }) { return this.host.get(key); }
  async redispatch({ hook, payload }) { return (await this.host.dispatch(hook, payload)).value; }
  configuration() { return this.config; }

  async say({ text }) {
    await pause(1);
    console.log(text);
    process.stdout.write(`${text}\n`);
    process.stderr.write(`${text}\n`);
  }
}

serve(Conformance, { name: 'conformance', version: '1.0.0' });
