"""An order as the accounting system wants it. This is the part to change for yours."""


def invoice(reference, order):
    """Amounts stay the decimal strings that they are in the event: a float would round them."""
    customer = order.get("customer_information", {})
    payment = next(iter(order.get("payments", [])), {})
    return {
        "external_reference": reference,
        "number": order.get("order_number"),
        "date": order.get("created_at"),
        "status": order.get("status"),
        "paid": payment.get("status") == "Paid",
        "payment_reference": payment.get("reference"),
        "customer": customer.get("company") or f"{customer.get('first_name')} {customer.get('last_name')}",
        "rows": [
            {
                "description": line.get("product_name"),
                "quantity": line.get("quantity"),
                "total": line["total"],
                "vat_rate": line.get("vat_rate"),
            }
            for line in order.get("products", [])
            if "total" in line
        ],
    }
