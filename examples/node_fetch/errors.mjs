const BUSY = new Set([1302, 1303]); // too fast, too many at once: waiting helps
const UNKNOWN = new Set([1201, 1203]); // of a query: no such task; 1201 was seen on the wire, 1203 is documented
const BROKEN = new Set([5000, 5001, 5002]); // their side; the request may have been carried out

/** The service, or a gateway in front of it, said no. */
export class Refused extends Error {
  constructor(status, code, message, retryAfterMs = 0) {
    super(`${message} (HTTP ${status}${code === null ? '' : `, code ${code}`})`);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    // The service's own code decides: an account out of money is a 429, too. Gateways may have nothing but a status.
    this.busy = code === null ? status === 429 : BUSY.has(code);
    this.unknown = UNKNOWN.has(code);
    this.undecided = code === null ? status >= 500 : BROKEN.has(code);
  }
}

/** No answer, half an answer, or one that makes no sense: nobody knows what became of the request. */
export class NoAnswer extends Error {
  retryAfterMs = 0;
  busy = false;
  undecided = true;
}
