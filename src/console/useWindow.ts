/**
 * The rows of a long list that are in view, kept up to date as its element scrolls and changes its size.
 */
import type { RefObject } from "preact"
import { useLayoutEffect, useState } from "preact/hooks"
import { type Window, windowOf } from "./Window.js"

export const useWindow = (
  element: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
  /** What stands above the rows and stays there. */
  headHeight = 0
): Window => {
  const [view, setView] = useState({ top: 0, height: 600 })
  useLayoutEffect(() => {
    const scroller = element.current
    if (scroller === null) return
    const look = (): void => {
      const { clientHeight: height, scrollTop: top } = scroller
      setView((view) => (view.top === top && view.height === height ? view : { top, height }))
    }
    look()
    const observer = new ResizeObserver(look)
    observer.observe(scroller)
    scroller.addEventListener("scroll", look, { passive: true })
    return () => {
      observer.disconnect()
      scroller.removeEventListener("scroll", look)
    }
  }, [])
  return windowOf(count, rowHeight, view.top, Math.max(rowHeight, view.height - headHeight))
}
