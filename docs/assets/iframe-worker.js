/* Browsers run no workers of pages that are opened from disk; a frame stands in for the search's. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = Object.assign(document.createElement("iframe"), { hidden: true, title: "Search" });
      document.body.append(frame);
      const inner = frame.contentWindow;
      inner.document.open();
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.ready = new Promise((done) => frame.addEventListener("load", done));
      inner.document.write(`<!DOCTYPE html><title>Search</title><script src="${url}"></script>`);
      inner.document.close();
      this.inner = inner;
    }

    async postMessage(data) {
      await this.ready;
      this.inner.dispatchEvent(new this.inner.MessageEvent("message", { data }));
    }
  };
}
