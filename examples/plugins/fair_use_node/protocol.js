'use strict';
/**
 * The worker's half of the protocol between a plugin and its host, version 1 (docs/protocol.md), for Node.js 20 or newer.
 *
 * Copy this file beside your plugin; it needs no package. A plugin is a class:
 *
 *     const { serve, Reject } = require('./protocol.js');
 *
 *     class Greeter {
 *       static methods = { greet: ['customer'] };                 // what may be called, with the names of the parameters
 *       constructor(host) { this.host = host; }
 *       initialize(config) { this.greeting = config.greeting; }   // throw, or return false: the plugin cannot run
 *       async greet(customer) { return `${this.greeting}, ${customer.name}`; }
 *     }
 *     serve(Greeter, { name: 'greeter', version: '1.0.0' });
 *
 * It may also have `static hooks` (subscriptions), and the methods `activate()`, `configure(config)`, `healthCheck()`,
 * `testConnection()`, `info()` and `cleanup()`. All may be async.
 *
 * 1. JavaScript runs one thing at a time: a method that computes for long lets everything else wait, pings too. Await, or use a worker thread.
 * 2. `host` knows by itself under which call it is used (AsyncLocalStorage), also after an `await`.
 * 3. Standard output is the channel: `console.*` becomes the plugin's log, and what else is written to it goes to standard error.
 */

const { AsyncLocalStorage } = require('node:async_hooks');
const net = require('node:net');
const { format } = require('node:util');

const VERSION = 1;
const SMALLEST_LIMIT = 64 * 1024;
const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];
const CODE = {
  NOT_JSON: -32700, NOT_A_REQUEST: -32600, UNKNOWN_METHOD: -32601, BAD_PARAMS: -32602, INTERNAL: -32603,
  RAISED: 1, REJECTED: 2, CANCELLED: 3, NOT_SENDABLE: 4, NOT_CALLABLE: 5, INITIALIZE_FAILED: 6,
};

/** A veto on the dispatch: `throw new Reject('the customer is on the deny list')`. */
class Reject extends Error {}

/** What the host answered to a request of the plugin's with an error; `problem` names it. */
class HostError extends Error {
  constructor(error) {
    super(error.message);
    this.name = 'HostError';
    this.code = error.code;
    this.problem = error.data?.problem;
  }
}

/** An error that goes onto the channel as it is. */
class ProtocolError extends Error {
  constructor(code, message, data) {
    super(message);
    this.error = data === undefined ? { code, message } : { code, message, data };
  }
}

/** What a plugin may ask of its host; every method returns a promise. */
class Host {
  #ask;
  #current;

  constructor(ask, current) {
    this.#ask = ask;
    this.#current = current;
  }

  /** The call that runs now: `{requestId, hook, chain, context, deadlineLeft(), signal}`; undefined outside of one. */
  get call() { return this.#current(); }
  get(key) { return this.#ask('storage.get', { key }); }
  set(key, value) { return this.#ask('storage.set', { key, value: asValue(value) }); }
  delete(key) { return this.#ask('storage.delete', { key }); }
  list(prefix = '') { return this.#ask('storage.list', { prefix }); }
  dispatch(hook, payload, context = {}) {
    return this.#ask('dispatch', { hook, payload: asValue(payload), context });
  }
  emit(hook, payload) { return this.#ask('emit', { hook, payload: asValue(payload) }); }
}

/** Cuts a stream of bytes into lines; one that is longer than the limit is dropped, and told. */
class Lines {
  constructor(onLine, onTooLong) {
    Object.assign(this, { limit: SMALLEST_LIMIT, onLine, onTooLong, pieces: [], length: 0 });
  }

  push(chunk) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; start = end + 1, end = chunk.indexOf(10, start)) {
      this.keep(chunk.subarray(start, end));
      const { pieces, length } = this;
      this.pieces = [];
      this.length = 0;
      if (length > this.limit) this.onTooLong(length);
      else this.onLine(Buffer.concat(pieces, length));
    }
    this.keep(chunk.subarray(start));
  }

  keep(piece) {
    this.length += piece.length;
    if (this.length <= this.limit) this.pieces.push(piece);
    else this.pieces = [];
  }
}

/** One plugin behind one channel. */
class Worker {
  constructor(Plugin, implementation, input, output) {
    Object.assign(this, { Plugin, implementation, input, output });
    this.calls = new AsyncLocalStorage();
    this.running = new Map();
    this.asked = new Map();
    this.lastId = 0;
    this.level = 1;
    this.plugin = null;
    this.greeted = false;
    this.initialized = false;
    this.decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    this.lines = new Lines((line) => this.take(line), (length) => this.refuseLength(length));
  }

  run() {
    this.input.on('data', (chunk) => this.lines.push(chunk));
    for (const stream of [this.input, this.output]) {
      for (const event of ['end', 'close', 'error']) stream.on(event, () => process.exit(0));
    }
  }

  refuseLength(length) {
    const message = `A message of ${length} bytes is longer than the limit of ${this.lines.limit}.`;
    this.fail(null, new ProtocolError(CODE.NOT_A_REQUEST, message));
  }

  take(line) {
    let message;
    try {
      message = JSON.parse(this.decoder.decode(line));
    } catch (error) {
      this.fail(null, new ProtocolError(CODE.NOT_JSON, `This line is not JSON: ${error.message}`));
      return;
    }
    if (!isObject(message) || !('method' in message || 'id' in message)) {
      this.fail(null, new ProtocolError(CODE.NOT_A_REQUEST, 'Expected one JSON-RPC message, an object with method or id.'));
    } else if (!('method' in message)) this.takeAnswer(message);
    else if (!('id' in message)) this.takeNotification(message.method, message.params);
    else this.takeRequest(message.id, message.method, message.params);
  }

  takeAnswer({ id, result, error }) {
    const waiting = this.asked.get(id);
    this.asked.delete(id);
    if (waiting && error) waiting.reject(new HostError(error));
    else waiting?.resolve(result);
  }

  takeNotification(method, params) {
    if (method === 'exit') process.exit(0);
    else if (method === 'cancel') this.cancel(params?.id);
    else if (method === 'log_level') this.setLevel(params?.level);
  }

  /** Answers once: with what comes first, the result or the cancel. */
  async takeRequest(id, method, params) {
    const call = callOf(id, params);
    this.running.set(id, call);
    try {
      const work = this.calls.run(call, async () => this.request(method, params));
      const result = await Promise.race([work, call.cancelled]);
      this.answer(id, sendable(result === undefined ? null : result, 'the result'));
    } catch (error) {
      this.fail(id, error);
    } finally {
      this.running.delete(id);
    }
  }

  request(method, params) {
    if (!this.greeted && method !== 'handshake') {
      throw new ProtocolError(CODE.NOT_A_REQUEST, `Expected handshake as the first request, got ${method}.`);
    }
    if (!Object.hasOwn(REQUESTS, method)) throw new ProtocolError(CODE.UNKNOWN_METHOD, `There is no request ${method} in version ${VERSION}.`);
    if (params !== undefined && !isObject(params)) throw badParams('params', 'an object');
    if (!this.initialized && !BEFORE_INITIALIZE.has(method)) {
      throw new ProtocolError(CODE.NOT_A_REQUEST, `Expected initialize before ${method}.`);
    }
    return REQUESTS[method](this, params ?? {});
  }

  cancel(id) {
    this.running.get(id)?.cancel(new ProtocolError(CODE.CANCELLED, 'The host gave this call up.'));
  }

  setLevel(level) {
    if (LEVELS.includes(level)) this.level = LEVELS.indexOf(level);
  }

  ask(method, params) {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      try {
        this.send({ id, method, params: { ...params, ...this.under() } });
      } catch (error) {
        this.asked.delete(id);
        reject(new TypeError(error.message));
      }
    });
  }

  under() {
    const call = this.calls.getStore();
    return call ? { call: call.id } : {};
  }

  log(level, message, traceback) {
    if (LEVELS.indexOf(level) < this.level || !this.greeted) return;
    this.send({ method: 'log', params: { level, message: message.slice(0, 8192), ...(traceback && { traceback }), ...this.under() } });
  }

  answer(id, result) {
    this.send({ id, result });
  }

  fail(id, error) {
    this.send({ id, error: errorOf(error) });
  }

  send(message) {
    const line = Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    if (line.length - 1 > this.lines.limit) {
      const text = `A message of ${line.length - 1} bytes is longer than the limit of ${this.lines.limit}; send less at once.`;
      throw new ProtocolError(CODE.NOT_SENDABLE, text);
    }
    this.output.write(line);
  }

  /** The plugin's method of this name, if it may be called. */
  method(name) {
    const methods = this.Plugin.methods ?? {};
    if (typeof name !== 'string') throw badParams('method', 'a text');
    if (Object.hasOwn(methods, name)) return { names: methods[name], run: (...values) => this.plugin[name](...values) };
    const known = Object.keys(methods).join(', ') || 'none';
    throw new ProtocolError(CODE.NOT_CALLABLE, `There is no method ${name}; the plugin has ${known}.`, { kind: 'method', method: name, choices: Object.keys(methods) });
  }
}

const BEFORE_INITIALIZE = new Set(['handshake', 'initialize', 'ping']);
const REQUESTS = {
  handshake(worker, { protocol, max_message_bytes: limit }) {
    if (!Array.isArray(protocol)) throw badParams('protocol', 'a list of versions');
    if (!protocol.includes(VERSION)) throw new ProtocolError(CODE.BAD_PARAMS, `This worker speaks version ${VERSION} of the protocol, the host speaks ${protocol.join(', ')}.`);
    if (!Number.isInteger(limit) || limit < SMALLEST_LIMIT) throw badParams('max_message_bytes', `at least ${SMALLEST_LIMIT}`);
    worker.lines.limit = limit;
    worker.greeted = true;
    return { protocol: VERSION, implementation: { ...worker.implementation, language: `Node.js ${process.versions.node}` } };
  },

  async initialize(worker, { config, log_level: level }) {
    if (worker.initialized || worker.plugin) throw new ProtocolError(CODE.NOT_A_REQUEST, 'The plugin is initialized already.');
    if (!isObject(config)) throw badParams('config', 'an object');
    worker.setLevel(level);
    let step = 'construct';
    try {
      worker.plugin = new worker.Plugin(new Host((...request) => worker.ask(...request), () => worker.calls.getStore()));
      step = 'initialize';
      worker.send({ method: 'step', params: { name: step } });
      if ((await worker.plugin.initialize?.(config)) === false) throw new Error('initialize returned false');
    } catch (error) {
      worker.plugin = null;
      throw initializeFailed(step, error);
    }
    worker.initialized = true;
    return describe(worker.Plugin, worker.plugin);
  },

  async activate(worker) {
    await worker.plugin.activate?.();
    return {};
  },

  async configure(worker, { config }) {
    if (!isObject(config)) throw badParams('config', 'an object');
    if (!worker.plugin.configure) throw new ProtocolError(CODE.NOT_CALLABLE, 'The plugin has no configure.', { kind: 'method' });
    if ((await worker.plugin.configure(config)) === false) throw initializeFailed('configure', new Error('configure returned false'));
    return {};
  },

  async health(worker) { return (await worker.plugin.healthCheck?.()) ?? { status: 'healthy', checks: [] }; },
  async info(worker) { return (await worker.plugin.info?.()) ?? { ...worker.implementation }; },

  async test_connection(worker) {
    if (!worker.plugin.testConnection) throw new ProtocolError(CODE.NOT_CALLABLE, 'The plugin has no testConnection.', { kind: 'method' });
    return worker.plugin.testConnection();
  },

  async cleanup(worker) {
    try {
      await worker.plugin.cleanup?.();
      return { problem: null };
    } catch (error) {
      return { problem: String(error?.message ?? error) };
    }
  },

  ping() { return {}; },

  invoke(worker, { method, payload }) {
    const { names, run } = worker.method(method);
    if (names.length !== 1) throw notBound(method, names, 'one payload');
    return run(payload);
  },

  execute(worker, { method, parameters = null }) {
    const { names, run } = worker.method(method);
    return run(...bind(method, names, parameters));
  },
};

/** The arguments that parameters mean: a list by position, an object by name or whole, null none. */
function bind(method, names, parameters) {
  if (parameters === null && names.length === 0) return [];
  if (Array.isArray(parameters) && parameters.length === names.length) return parameters;
  if (isObject(parameters)) {
    const keys = Object.keys(parameters);
    if (keys.length === names.length && names.every((name) => Object.hasOwn(parameters, name))) return names.map((name) => parameters[name]);
    if (names.length === 1) return [parameters];
  }
  throw notBound(method, names, JSON.stringify(parameters).slice(0, 200));
}

function notBound(method, names, got) {
  const reason = `expected ${names.join(', ') || 'no parameters'}, got ${got}`;
  return new ProtocolError(CODE.NOT_CALLABLE, `The parameters do not fit ${method}: ${reason}.`, { kind: 'parameters', method, signature: `(${names.join(', ')})`, reason });
}

function badParams(name, expected) {
  return new ProtocolError(CODE.BAD_PARAMS, `${name}: expected ${expected}.`);
}

function initializeFailed(step, error) {
  const { type, message, traceback } = told(error);
  return new ProtocolError(CODE.INITIALIZE_FAILED, `${step} failed: ${message}`, { step, kind: step === 'construct' ? 'constructor' : step, type, reason: message, traceback });
}

/** The error object of whatever was thrown. */
function errorOf(error) {
  if (error instanceof ProtocolError) return error.error;
  if (error instanceof Reject) return { code: CODE.REJECTED, message: `Rejected: ${error.message}`, data: { reason: error.message } };
  const data = told(error);
  return { code: CODE.RAISED, message: `${data.type}: ${data.message}`.slice(0, 2000), data };
}

function told(error) {
  const isError = error instanceof Error;
  return {
    type: String((isError && error.name) || 'Error'),
    message: String(isError ? error.message : error).slice(0, 8192),
    traceback: isError ? String(error.stack).slice(0, 16384) : null,
  };
}

function describe(Plugin, plugin) {
  const methods = Object.entries(Plugin.methods ?? {}).map(([name, names]) => ({
    name, is_async: true, takes_payload: names.length === 1, signature: `(${names.join(', ')})`,
  }));
  const optional = { activate: plugin.activate, configure: plugin.configure, test_connection: plugin.testConnection };
  return { hooks: Plugin.hooks ?? [], methods, capabilities: Object.keys(optional).filter((name) => optional[name]) };
}

/** One request of the host's, as plugins see it. */
function callOf(id, params) {
  const told = isObject(params) && isObject(params.call) ? params.call : {};
  const controller = new AbortController();
  const ends = Date.now() + (told.deadline_ms ?? Infinity);
  let cancel;
  const cancelled = new Promise((_, reject) => { cancel = (error) => { controller.abort(error); reject(error); }; });
  cancelled.catch(() => {});
  return {
    id, cancel, cancelled, signal: controller.signal,
    requestId: told.request_id, hook: told.hook ?? null, chain: told.chain ?? [], context: told.context ?? {},
    deadlineLeft: () => Math.max(0, ends - Date.now()),
  };
}

/** The value itself, if JSON can hold it; JSON.stringify would turn NaN into null and drop functions without a word. */
function sendable(value, what) {
  let problem;
  try {
    problem = problemIn(value);
  } catch (error) {
    problem = error instanceof RangeError ? 'it contains itself, or is nested too deep' : error.message;
  }
  if (problem) throw new ProtocolError(CODE.NOT_SENDABLE, `${what} is no JSON value: ${problem}.`);
  return value;
}

/** The same for what goes to the host: a mistake of the plugin's own, which it can catch. */
function asValue(value) {
  try {
    return sendable(value, 'what the host is given');
  } catch (error) {
    throw new TypeError(error.message);
  }
}

function problemIn(value) {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return null;
  if (Array.isArray(value)) return first(value, problemIn);
  if (typeof value !== 'object') return `got ${typeof value === 'number' ? value : `a ${typeof value}`}`;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `got a ${value.constructor?.name ?? 'strange object'}`;
  return first(Object.values(value), (member) => (member === undefined ? null : problemIn(member)));
}

function first(values, problem) {
  for (const value of values) {
    const found = problem(value);
    if (found) return found;
  }
  return null;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The channel: the inherited socket, or standard input and output, which are then nobody else's. */
function channel() {
  const number = process.env.ISP_PLUGIN_SOCKET;
  if (number) {
    const socket = new net.Socket({ fd: Number(number), readable: true, writable: true });
    return [socket, socket];
  }
  const { stdin, stdout } = process;
  const output = { write: stdout.write.bind(stdout), on: stdout.on.bind(stdout) };
  stdout.write = process.stderr.write.bind(process.stderr);
  return [stdin, output];
}

function redirectConsole(worker) {
  const levels = { debug: 'DEBUG', log: 'INFO', info: 'INFO', warn: 'WARNING', error: 'ERROR' };
  for (const [name, level] of Object.entries(levels)) console[name] = (...values) => worker.log(level, format(...values));
}

/** Serves one plugin until the host says `exit` or is gone. */
function serve(Plugin, { name, version }) {
  const worker = new Worker(Plugin, { name, version }, ...channel());
  redirectConsole(worker);
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(70);
  });
  worker.run();
  return worker;
}

module.exports = { serve, Reject, HostError };
