// Leads the clients' requests to the simulator: they build their hosts' names
// themselves (`https://{id}.microcms.io`) and take no base URL.
const { MICROCMS_SERVICE_ID: id } = process.env;
const bases = new Map([
  [`${id}.microcms-management.io`, process.env.MICROCMS_BACKUP__SERVICE__MANAGEMENT_URL],
  [`${id}.microcms.io`, process.env.MICROCMS_BACKUP__SERVICE__CONTENT_URL],
]);
const real = globalThis.fetch;

globalThis.fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  const base = bases.get(url.hostname);
  if (!base) throw new Error(`no request may leave for ${url.hostname}`);
  const target = base + url.pathname + url.search;
  return real(input instanceof Request ? new Request(target, input) : target, init);
};
