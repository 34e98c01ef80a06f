// Publications on their way, as in flight.py: a window, and the time each one took
// to reach every receiver. Each receiver must get every event, in order.
import { performance } from 'node:perf_hooks';

export class Flight {
  constructor(receivers) {
    this.receivers = receivers;
    this.reset(0);
  }

  reset(count) {
    this.arrivals = new Int32Array(this.receivers);
    this.missing = new Int32Array(count).fill(this.receivers);
    this.sent = new Float64Array(count);
    this.latencies = [];
    this.wanted = 0;
    this.wake = null;
  }

  /** What receiver `number` calls for each event. */
  receiver(number) {
    return () => {
      const position = this.arrivals[number]++;
      if (--this.missing[position] > 0) return;
      this.latencies.push(performance.now() - this.sent[position]);
      if (this.wake !== null && this.latencies.length >= this.wanted) {
        const wake = this.wake;
        this.wake = null;
        wake();
      }
    };
  }

  /** Wait until `done` publications have reached everybody. */
  async until(done) {
    if (this.latencies.length >= done) return;
    this.wanted = done;
    await new Promise((resolve) => { this.wake = resolve; });
  }

  /** Publish `count` times, at most `window` on their way; gives the latencies. */
  async fly(publish, count, window) {
    this.reset(count);
    for (let number = 1; number <= count; number++) {
      this.sent[number - 1] = performance.now();
      publish();
      if (number - this.latencies.length >= window) {
        await this.until(number - Math.floor(window / 2));
      }
    }
    await this.until(count);
    return this.latencies;
  }
}
