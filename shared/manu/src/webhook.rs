//! The types of webhook that the ERP can send.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What happened in the ERP: one of the types that can be chosen when a webhook is registered (`docs/vendors/manu-online.md`).
///
/// No header tells the type, so every type is registered with an address of its own that ends in its
/// [`slug`](WebhookType::slug). In JSON a type is its slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookType {
    /// An agreement was activated.
    AgreementActivate,
    /// An item was saved.
    ItemSave,
    /// A partner (customer or supplier) was saved.
    PartnerSave,
    /// A picklist was made from a work order.
    PicklistCreated,
    /// A purchase order was activated.
    PurchaseOrderActivate,
    /// A sales order was activated; it gets its number at that moment.
    SalesOrderActivate,
    /// A serial number was made in a work order or saved, or an item with a serial number was delivered.
    SerialNumberSave,
    /// A sales invoice was activated.
    SalesInvoice,
    /// A purchase invoice was activated.
    PurchaseInvoice,
    /// A sales dispatch was activated.
    SalesDispatchActivate,
    /// A user pressed the button that sends a sales dispatch still under construction.
    SalesDispatchSend,
    /// A user pressed the button that sends a receipt of goods still under construction.
    ReceiptSend,
    /// A partner was created through the API.
    PartnerApiPost,
}

impl WebhookType {
    /// Every type, in the order of the vendor's page.
    pub const ALL: [Self; 13] = [
        Self::AgreementActivate,
        Self::ItemSave,
        Self::PartnerSave,
        Self::PicklistCreated,
        Self::PurchaseOrderActivate,
        Self::SalesOrderActivate,
        Self::SerialNumberSave,
        Self::SalesInvoice,
        Self::PurchaseInvoice,
        Self::SalesDispatchActivate,
        Self::SalesDispatchSend,
        Self::ReceiptSend,
        Self::PartnerApiPost,
    ];

    /// The name used in addresses, keys and published events. It never changes.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::AgreementActivate => "agreement-activate",
            Self::ItemSave => "item-save",
            Self::PartnerSave => "partner-save",
            Self::PicklistCreated => "picklist-created",
            Self::PurchaseOrderActivate => "purchase-order-activate",
            Self::SalesOrderActivate => "sales-order-activate",
            Self::SerialNumberSave => "serial-number-save",
            Self::SalesInvoice => "sales-invoice",
            Self::PurchaseInvoice => "purchase-invoice",
            Self::SalesDispatchActivate => "sales-dispatch-activate",
            Self::SalesDispatchSend => "sales-dispatch-send",
            Self::ReceiptSend => "receipt-send",
            Self::PartnerApiPost => "partner-api-post",
        }
    }

    /// The name in the ERP's Finnish user interface, as the vendor's page writes it.
    pub const fn finnish(self) -> &'static str {
        match self {
            Self::AgreementActivate => "Sopimus/Aktivointi",
            Self::ItemSave => "Nimike/Tallenna",
            Self::PartnerSave => "Kumppani/Tallenna",
            Self::PicklistCreated => "Keruulista/Luonti",
            Self::PurchaseOrderActivate => "Ostotilaus/Aktivointi",
            Self::SalesOrderActivate => "Myyntitilaus/Aktivointi",
            Self::SerialNumberSave => "Sarjanumero/Tallenna",
            Self::SalesInvoice => "Myyntilasku",
            Self::PurchaseInvoice => "Ostolasku",
            Self::SalesDispatchActivate => "Myynnin toimitus/Aktivointi",
            Self::SalesDispatchSend => "Myynnin toimitus/Lähetä",
            Self::ReceiptSend => "Vastaanotto/Lähetä",
            Self::PartnerApiPost => "Kumppani API/Post",
        }
    }

    /// The name in the ERP's English user interface.
    pub const fn english(self) -> &'static str {
        match self {
            Self::AgreementActivate => "Agreement/Activate",
            Self::ItemSave => "Item/Save",
            Self::PartnerSave => "Partner/Save",
            Self::PicklistCreated => "Picklist/Created",
            Self::PurchaseOrderActivate => "Purchase Order/Activate",
            Self::SalesOrderActivate => "Sales Order/Activate",
            Self::SerialNumberSave => "Serial Number/Save",
            Self::SalesInvoice => "Sales Invoice",
            Self::PurchaseInvoice => "Purchase Invoice",
            Self::SalesDispatchActivate => "Sales Dispatch/Activate",
            Self::SalesDispatchSend => "Sales Dispatch/Send",
            Self::ReceiptSend => "Receipt/Send",
            Self::PartnerApiPost => "Partner API/Post",
        }
    }
}

/// Shows the [`slug`](WebhookType::slug), so that what is shown can be parsed again.
impl fmt::Display for WebhookType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl FromStr for WebhookType {
    type Err = UnknownWebhookType;

    /// Reads a [`slug`](WebhookType::slug), exactly as it is written.
    fn from_str(slug: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|webhook| webhook.slug() == slug).ok_or(UnknownWebhookType)
    }
}

/// A name that is no webhook type's slug. The message lists those that are, and does not repeat the one given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWebhookType;

impl fmt::Display for UnknownWebhookType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown webhook type, it must be one of ")?;
        for (index, webhook) in WebhookType::ALL.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{webhook}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownWebhookType {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's page and the slugs agreed for them, row by row.
    const TABLE: [(&str, &str, &str); 13] = [
        ("agreement-activate", "Sopimus/Aktivointi", "Agreement/Activate"),
        ("item-save", "Nimike/Tallenna", "Item/Save"),
        ("partner-save", "Kumppani/Tallenna", "Partner/Save"),
        ("picklist-created", "Keruulista/Luonti", "Picklist/Created"),
        ("purchase-order-activate", "Ostotilaus/Aktivointi", "Purchase Order/Activate"),
        ("sales-order-activate", "Myyntitilaus/Aktivointi", "Sales Order/Activate"),
        ("serial-number-save", "Sarjanumero/Tallenna", "Serial Number/Save"),
        ("sales-invoice", "Myyntilasku", "Sales Invoice"),
        ("purchase-invoice", "Ostolasku", "Purchase Invoice"),
        ("sales-dispatch-activate", "Myynnin toimitus/Aktivointi", "Sales Dispatch/Activate"),
        ("sales-dispatch-send", "Myynnin toimitus/Lähetä", "Sales Dispatch/Send"),
        ("receipt-send", "Vastaanotto/Lähetä", "Receipt/Send"),
        ("partner-api-post", "Kumppani API/Post", "Partner API/Post"),
    ];

    #[test]
    fn the_types_are_those_of_the_vendors_page() {
        let names = WebhookType::ALL.map(|webhook| (webhook.slug(), webhook.finnish(), webhook.english()));
        assert_eq!(names, TABLE);
    }

    #[test]
    fn a_slug_reads_back_as_its_type_in_text_and_in_json() {
        for webhook in WebhookType::ALL {
            assert_eq!(webhook.slug().parse(), Ok(webhook));
            let json = serde_json::to_string(&webhook).unwrap();
            assert_eq!(json, format!("\"{}\"", webhook.slug()));
            assert_eq!(serde_json::from_str::<WebhookType>(&json).unwrap(), webhook);
        }
    }

    #[test]
    fn rejects_other_names_and_lists_the_valid_ones() {
        for name in ["", "Item-Save", "item_save", " item-save", "Nimike/Tallenna"] {
            assert_eq!(name.parse::<WebhookType>(), Err(UnknownWebhookType), "{name:?}");
        }
        let message = UnknownWebhookType.to_string();
        assert!(message.starts_with("unknown webhook type, it must be one of agreement-activate, item-save, "));
        assert!(message.ends_with(", receipt-send, partner-api-post"));
    }
}
