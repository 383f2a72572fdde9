// The errors of this package.

export class NaqError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

export class ConfigurationError extends NaqError {}

export class JobExecutionError extends NaqError {
  constructor(message, state, kind) {
    super(message);
    this.state = state;
    this.kind = kind;
  }
}

export class JobNotFoundError extends NaqError {}

export class NaqConnectionError extends NaqError {}

export class GatewayError extends NaqError {
  constructor(message, status, kind) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}
