// For development only: loads the page again when something newer is served, and shows what is
// broken over the page until it is mended. Served where DEVELOPMENT_FOLDER is set.
(() => {
  let known = '';
  let served;
  let overlay;

  const element = (name, text, style) => {
    const made = document.createElement(name);
    made.textContent = text;
    // Set by script and not by markup: the policy of the page lets it.
    Object.assign(made.style, style);
    return made;
  };

  const show = (problems) => {
    overlay?.remove();
    overlay = undefined;
    if (problems.length === 0) return;
    overlay = element('section', '', {
      position: 'fixed', inset: '0', zIndex: '2147483647', overflow: 'auto', padding: '2rem',
      background: 'rgb(20 16 16 / 98%)', color: '#f4eded', font: '14px/1.5 monospace',
    });
    overlay.id = 'live-reload-problems';
    overlay.setAttribute('role', 'alert');
    for (const { title, text } of problems) {
      overlay.append(
        element('h2', title, { margin: '0 0 .5rem', color: '#ff9c8f', font: '700 16px/1.4 sans-serif' }),
        element('pre', text, { margin: '0 0 2rem', whiteSpace: 'pre-wrap' }),
      );
    }
    document.body.append(overlay);
  };

  const ask = async () => {
    for (;;) {
      try {
        const answer = await fetch(`/development/state?since=${known}`);
        if (!answer.ok) throw new Error(String(answer.status));
        const state = await answer.json();
        if (served !== undefined && state.served !== served) {
          location.reload();
          return;
        }
        if (state.state !== known) show(state.problems);
        known = state.state;
        served = state.served;
      } catch {
        // The gateway is being started; it answers soon.
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  };
  ask();
})();
