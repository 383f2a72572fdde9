// The retry policy of a job, in the form of the wire.

import { ConfigurationError } from "./errors.js";
import { kindsOf } from "./kinds.js";

const STRATEGIES = ["fixed", "linear", "exponential"];

/** Whole milliseconds, rounded up: nothing is early. */
export function millis(value, name) {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    throw new ConfigurationError(`${name}: ${value} is no number of milliseconds from 0`);
  }
  return Math.ceil(value);
}

/** The policy as an object, or undefined for NAQ's default: 3 retries, 5 seconds apart. */
export function policy({ maxRetries, retryDelay, retryStrategy, retryOn, ignoreOn, maxDelay, jitter, retryFor }) {
  const fields = {};
  if (maxRetries !== undefined) {
    if (!Number.isInteger(maxRetries) || maxRetries < 0) {
      throw new ConfigurationError(`maxRetries: ${maxRetries} is no whole number from 0`);
    }
    fields.max_retries = maxRetries;
  }
  if (retryDelay !== undefined) {
    if (Array.isArray(retryDelay) && retryDelay.length === 0) throw new ConfigurationError("retryDelay: the list is empty");
    fields.delay_ms = Array.isArray(retryDelay)
      ? retryDelay.map((delay) => millis(delay, "retryDelay"))
      : millis(retryDelay, "retryDelay");
  }
  if (retryStrategy !== undefined) {
    if (!STRATEGIES.includes(retryStrategy)) {
      throw new ConfigurationError(`retryStrategy: ${retryStrategy}; use ${STRATEGIES.join(", ")}`);
    }
    fields.strategy = retryStrategy;
  }
  if (retryOn !== undefined) {
    const kinds = kindsOf(retryOn);
    // Error itself is every error, as no list is.
    fields.retry_on = kinds.includes("Error") ? [] : kinds;
  }
  if (ignoreOn !== undefined) {
    fields.ignore_on = kindsOf(ignoreOn);
    if (fields.ignore_on.includes("Error")) throw new ConfigurationError("ignoreOn: Error is every error; use maxRetries: 0");
  }
  if (maxDelay !== undefined) fields.max_delay_ms = millis(maxDelay, "maxDelay");
  if (jitter !== undefined) fields.jitter = jitter;
  if (retryFor !== undefined) fields.retry_for_ms = millis(retryFor, "retryFor");
  return Object.keys(fields).length > 0 ? fields : undefined;
}
