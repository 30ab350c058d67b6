/**
 * The stand-in for Connect.js: its script, with plain elements instead of Stripe's frames.
 * https://docs.stripe.com/connect/get-started-connect-embedded-components
 *
 * It has what pages use without Stripe's npm packages (`StripeConnect.onLoad`, `StripeConnect.init` and the methods of an
 * instance), and what those packages use (`setConnector`, and setters that end in `InternalOnly`).
 * https://github.com/stripe/connect-js
 */
(() => {
  /** This file is at `v1.0/connect.js` of the stand-in, at its own address or behind another server. */
  const base = new URL('..', document.currentScript.src);
  const NAMES = [
    'account-management', 'account-onboarding', 'balance-report', 'balances', 'disputes-list', 'documents', 'instant-payouts-promotion',
    'notification-banner', 'payment-details', 'payment-disputes', 'payment-method-settings', 'payments', 'payout-details',
    'payout-reconciliation-report', 'payouts', 'payouts-list', 'tax-registrations', 'tax-settings',
  ];
  const SETTERS = [
    'setCollectionOptions', 'setDefaultFilters', 'setFullTermsOfServiceUrl', 'setOnClose', 'setOnExit', 'setOnLoadError', 'setOnLoaderStart',
    'setOnNotificationsChange', 'setOnStepChange', 'setPayment', 'setPayout', 'setPrivacyPolicyUrl', 'setRecipientTermsOfServiceUrl',
    'setSkipTermsOfServiceCollection',
  ];

  /** The sessions of one instance, of which the current one serves all its elements. */
  class Connection {
    constructor({ publishableKey, fetchClientSecret }) {
      this.key = publishableKey;
      this.fetchClientSecret = fetchClientSecret;
      this.page = crypto.randomUUID();
    }

    async ask(component, action, isAgain = false) {
      this.secret ??= this.fetchClientSecret();
      const secret = this.secret;
      let clientSecret;
      try {
        clientSecret = await secret;
      } catch (error) {
        if (this.secret === secret) this.secret = undefined;
        throw { type: 'account_session_create_error', message: String(error?.message ?? error) };
      }
      const body = JSON.stringify({ key: this.key, client_secret: clientSecret, page: this.page, action });
      const response = await fetch(new URL(`embedded/${component}`, base), { method: 'POST', body }).catch(() => {
        throw { type: 'api_connection_error' };
      });
      const answer = await response.json();
      if (response.ok) return answer;
      if (answer.error.type !== 'session_expired' || isAgain) throw answer.error;
      if (this.secret === secret) this.secret = undefined;
      return this.ask(component, action, true);
    }
  }

  class Component extends HTMLElement {
    /** What the page has set, by the name of the setter. */
    given = {};

    setConnector(connection) {
      this.connection = connection;
      this.begin();
    }

    connectedCallback() {
      this.begin();
    }

    begin() {
      if (this.hasBegun || !this.connection || !this.isConnected) return;
      this.hasBegun = true;
      this.told('setOnLoaderStart', { elementTagName: this.tag });
      this.load();
    }

    get tag() {
      return this.localName.replace('stripe-connect-', '');
    }

    told(setter, value) {
      this.given[setter]?.(value);
    }

    async load(action) {
      try {
        const content = await this.connection.ask(this.tag.replaceAll('-', '_'), action);
        this.show(content);
        if (content.total !== undefined) this.told('setOnNotificationsChange', { total: content.total, actionRequired: content.total });
        if (content.exited) this.told('setOnExit');
      } catch (error) {
        this.told('setOnLoadError', { elementTagName: this.tag, error: { type: error.type ?? 'api_error', message: error.message } });
      }
    }

    show({ title, lines, actions = [], allowed }) {
      const element = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
      const list = document.createElement('ul');
      list.append(...lines.map((line) => element('li', line)));
      const buttons = actions.map(({ name, label }) => {
        const button = Object.assign(element('button', label), { type: 'button' });
        button.addEventListener('click', () => this.load(name));
        return button;
      });
      this.setAttribute('role', 'group');
      this.setAttribute('aria-label', title);
      const note = `Test mode: a local stand-in for Stripe’s component.${allowed.length > 0 ? ` Allowed: ${allowed.join(', ')}.` : ''}`;
      this.replaceChildren(element('p', title), ...(lines.length > 0 ? [list] : []), ...buttons, element('p', note));
    }
  }

  for (const setter of SETTERS) {
    const set = function (value) {
      this.given[setter] = value;
    };
    Component.prototype[`${setter}InternalOnly`] = set;
    Component.prototype[setter] = set;
  }
  for (const name of NAMES) customElements.define(`stripe-connect-${name}`, class extends Component {});

  function init(options) {
    for (const name of ['publishableKey', 'fetchClientSecret']) if (!options?.[name]) throw new Error(`StripeConnect.init needs ${name}.`);
    const connection = new Connection(options);
    const elements = [];
    return {
      connect: connection,
      create(name) {
        const element = document.createElement(`stripe-connect-${name}`);
        element.setConnector(connection);
        elements.push(element);
        return element;
      },
      update() {},
      async logout() {
        connection.fetchClientSecret = () => Promise.reject(new Error('logged out'));
        connection.secret = undefined;
        for (const element of elements) element.replaceChildren();
      },
    };
  }

  const before = globalThis.StripeConnect;
  globalThis.StripeConnect = { ...before, init };
  before?.onLoad?.();
})();
