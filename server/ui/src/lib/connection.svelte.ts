// Whether the server answers. While it does not, the frame says so and asks again;
// when it is back, a page that lacks something for it is made anew.

class Connection {
  lost = $state(false)
  round = $state(0) // changes when pages are to be made anew
  private lacking = false

  /** A request had no answer; lacking tells that a page shows less for it. */
  fail(lacking: boolean) {
    this.lacking ||= lacking
    if (this.lost) return
    this.lost = true
    this.wait()
  }

  private wait() {
    setTimeout(async () => {
      const answer = await fetch('health', { cache: 'no-store' }).catch(() => undefined)
      if (!answer?.ok) {
        this.wait()
        return
      }
      this.lost = false
      if (this.lacking) this.round++
      this.lacking = false
    }, 1500)
  }
}

export const connection = new Connection()
