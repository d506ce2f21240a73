/* Lets the search of these pages work when they are opened from disk, without a server and without a connection.
   Browsers refuse worker scripts there; this runs the one script of the search in a hidden frame instead. */
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.onmessage = this.onerror = this.onmessageerror = null
      this.waiting = []
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.appendChild(this.frame)
      this.inside = this.frame.contentWindow
      // What the script posts arrives here; as from a worker, later and not at once.
      this.inside.postMessage = data => setTimeout(() => this.onmessage && this.onmessage({ data }), 0)
      const script = this.frame.contentDocument.createElement("script")
      script.src = new URL(address, document.baseURI).href
      script.onload = () => this.deliver()
      script.onerror = () => this.onerror && this.onerror({ preventDefault() {} })
      this.frame.contentDocument.body.appendChild(script)
    }

    postMessage(data) {
      this.waiting.push(data)
      if (this.ready) this.deliver()
    }

    deliver() {
      this.ready = true
      for (const data of this.waiting.splice(0))
        setTimeout(() => this.inside && this.inside.onmessage && this.inside.onmessage({ data }), 0)
    }

    terminate() {
      this.frame.remove()
      this.inside = null
    }
  }
}
