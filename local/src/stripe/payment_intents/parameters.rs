//! What each endpoint of PaymentIntents takes.

/// Parameters of `POST /v1/payment_intents`. `payment_method_types` is what `allowed_payment_method_types` was called
/// before the pinned API version: older SDKs send it.
pub(crate) const CREATE: &str = "allowed_payment_method_types[] amount:i amount_details:any application_fee_amount:i \
    automatic_payment_methods{allow_redirects:(always|never) enabled:b} \
    capture_method:(automatic|automatic_async|manual) confirm:b confirmation_method:(automatic|manual) \
    confirmation_token currency customer customer_account description error_on_requires_action:b \
    excluded_payment_method_types[] hooks:any mandate mandate_data:any metadata:m off_session \
    on_behalf_of payment_details:any payment_method payment_method_configuration payment_method_data{type \
    allow_redisplay billing_details{address{city country line1 line2 postal_code state} email name phone tax_id} \
    card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} payment_method_options:any \
    payment_method_types[] radar_options:any receipt_email return_url setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} \
    statement_descriptor statement_descriptor_suffix \
    transfer_data{amount:i description destination metadata:m payment_data:any} transfer_group use_stripe_sdk:b";

/// Parameters of `POST /v1/payment_intents/{id}`.
pub(crate) const UPDATE: &str = "allowed_payment_method_types[] amount:i amount_details:any application_fee_amount:i \
    capture_method:(automatic|automatic_async|manual) currency customer customer_account description \
    excluded_payment_method_types[] hooks:any metadata:m payment_details:any payment_method \
    payment_method_configuration payment_method_data{type allow_redisplay billing_details{address{city country line1 \
    line2 postal_code state} email name phone tax_id} card{token number exp_month:i exp_year:i cvc} metadata:m \
    radar_options:any} payment_method_options:any payment_method_types[] receipt_email \
    setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} \
    statement_descriptor statement_descriptor_suffix transfer_data{amount:i description metadata:m payment_data:any} \
    transfer_group";

/// Parameters of `POST /v1/payment_intents/{id}/confirm`.
pub(crate) const CONFIRM: &str = "allowed_payment_method_types[] amount_details:any amount_to_confirm:i \
    capture_method:(automatic|automatic_async|manual) confirmation_token error_on_requires_action:b \
    excluded_payment_method_types[] hooks:any mandate mandate_data:any off_session payment_details:any payment_method \
    payment_method_data{type allow_redisplay billing_details{address{city country line1 line2 postal_code state} email \
    name phone tax_id} card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} \
    payment_method_options:any payment_method_types[] radar_options:any receipt_email return_url \
    setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} use_stripe_sdk:b";

/// Parameters of `POST /v1/payment_intents/{id}/capture`.
pub(crate) const CAPTURE: &str = "amount_details:any amount_to_capture:i application_fee_amount:i final_capture:b \
    hooks:any metadata:m payment_details:any statement_descriptor statement_descriptor_suffix transfer_data{amount:i}";

/// Parameters of `POST /v1/payment_intents/{id}/cancel`.
pub(crate) const CANCEL: &str = "cancellation_reason:(duplicate|fraudulent|requested_by_customer|abandoned)";
