"""The trial of each assumption, by its id."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Final, TypeAlias

from okx_async.rehearsal.stage import Observation, Stage
from okx_async.rehearsal.trials import access, closes, limits, orders, records, refusals

Trial: TypeAlias = Callable[[Stage], Awaitable[Observation]]

TRIALS: Final = MappingProxyType[str, Trial](
    {
        "environment-is-checked": access.environment_is_checked,
        "query-is-signed-as-sent": access.query_is_signed_as_sent,
        "answers-have-short-heads": access.answers_have_short_heads,
        "long-request-heads-are-taken": access.long_heads_are_taken,
        "idle-connections-last-16-s": access.idle_connections_last,
        "timestamp-of-25-s-is-taken": access.timestamp_of_25_s,
        "old-timestamp-is-50102": access.old_timestamp,
        "wrong-signature-is-50113": access.wrong_signature,
        "body-is-read-before-signature": access.body_before_signature,
        "login-is-checked-in-order": orders.login_in_order,
        "closing-nothing-is-51023": refusals.closing_nothing,
        "unknown-instrument-is-51001": refusals.unknown_instrument,
        "wrong-side-is-51000": refusals.wrong_side,
        "empty-parameters-count-as-absent": refusals.empty_parameters,
        "auto-cxl-as-text-is-taken": refusals.auto_cxl_as_text,
        "parameters-are-checked-in-order": orders.parameters_in_order,
        "expired-order-is-refused": refusals.expired_order,
        "unknown-order-is-51603": refusals.unknown_order,
        "cancel-of-nothing-is-51400": refusals.cancel_of_nothing,
        closes.GOES_FLAT: closes.accepted_close_goes_flat,
        "echo-names-the-side": closes.echo_names_the_side,
        "wrong-margin-mode-is-51023": closes.wrong_margin_mode,
        "resting-close-order-is-51115": closes.resting_close_order,
        "position-is-checked-before-orders": closes.position_before_orders,
        "auto-cxl-cancels-first": closes.auto_cxl_cancels_first,
        "close-carries-its-cl-ord-id": closes.close_carries_its_id,
        "ended-cl-ord-id-may-be-used-again": closes.ended_id_again,
        "overlapping-closes-never-turn-a-position": closes.overlapping_closes,
        "sides-are-closed-apart": closes.sides_apart,
        "confirm-proves-flat": closes.confirm_proves_flat,
        "batch-closes": closes.batch_closes,
        "flatten-proves-flat": closes.flatten_proves_flat,
        "positions-can-be-read": records.positions_can_be_read,
        "filled-order-is-listed-at-once": records.filled_order_is_listed,
        "flat-is-left-out-of-the-whole-list": records.flat_is_left_out,
        "flat-is-listed-by-name": records.flat_is_listed_by_name,
        "pos-id-outlives-a-close": records.pos_id_outlives_a_close,
        "c-time-is-new-after-reopening": records.c_time_is_new,
        "c-time-is-new-after-a-turn": records.c_time_after_a_turn,
        "history-names-the-period": records.history_names_the_period,
        "twenty-first-close-is-50011": limits.twenty_first_close,
        "window-is-sliding": limits.window_is_sliding,
        "refused-requests-count": limits.refused_requests_count,
        "signature-is-checked-before-rate": limits.signature_before_rate,
        "limit-is-checked-before-parameters": limits.limit_before_parameters,
        "instruments-are-counted-apart": limits.instruments_apart,
        "options-are-counted-by-family": limits.options_by_family,
        "hosts-share-one-limit": limits.hosts_share_one_limit,
    }
)
